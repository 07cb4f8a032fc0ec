"""What the date and the words of a work say of its boxes: dates, time context, language model, saints, relations."""
