"""The page that shows a run: pictures, boxes, labels before and after, captions, links."""
