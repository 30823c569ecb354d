"""Find what killed processes and bad disks left below home, and mend it."""
