"""The audit log: its chain, its clock, and how it is told to a hospital's audit collector."""
