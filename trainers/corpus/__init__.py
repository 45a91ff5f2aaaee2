"""Text of all the kinds of world that agents meet here, for tokenizers: our own families, and small grammars."""
