"""Pages, charts and contact sheets of the HTML reports."""
