// The precompiled header that every test program shares is compiled for this one; it does nothing.
int main() {}
