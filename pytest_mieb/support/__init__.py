"""What every other package stands on: whole files, scratch folders, strict YAML, patience with a hub, wording."""
