"""The Clever API behind `app.roster.context.Clever`: turns Clever's answers into facts and domain errors."""
