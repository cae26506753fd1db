"""Reports: values become text; nothing is decided and nothing is written here."""
