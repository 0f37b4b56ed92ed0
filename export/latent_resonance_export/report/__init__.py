"""What the HTML reports share: pages, charts, contact sheets."""
