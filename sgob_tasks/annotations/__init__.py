"""Web Annotations, the Europeana annotation client and the publication ledger."""
