// Nothing of its own: its object brings the headers that every test program shares.
