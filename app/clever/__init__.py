"""The Clever API behind `services.ports.Clever`: Clever's answers go in, facts and domain errors come out."""
