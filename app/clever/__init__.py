"""The Clever API behind the roster's port `Clever`: turns Clever's answers into facts and domain errors."""
