"""Many builds, each with its evaluation, in processes of their own: resumable, in one table."""
