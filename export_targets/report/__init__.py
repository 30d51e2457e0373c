"""The report page: one HTML file about artifacts, with nothing to load from outside.

``subject`` reads an artifact, ``chain`` and ``plots`` make the pictures, ``page`` the whole.
"""
