"""The published models, their edge forms, checkpoints, images and parity. No backend here."""
