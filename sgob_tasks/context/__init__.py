"""What an artwork's date and texts say about its detections."""
