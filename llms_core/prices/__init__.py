"""What answers cost: prices of models, and the costs that follow from them."""
