"""One process of a run: settings, devices, model, source and store, and what is measured with them."""
