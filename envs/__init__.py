"""How it is played: Gymnasium environments over tasks."""
