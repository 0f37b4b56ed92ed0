"""What happens around visitors: visits, opening hours and the daily log."""
