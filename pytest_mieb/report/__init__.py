"""What a run leaves behind: lines for the terminal, files for machines and people."""
