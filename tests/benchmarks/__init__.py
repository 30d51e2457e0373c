"""Measurements, run by ``make bench``; not tests."""
