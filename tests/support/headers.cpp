// The precompiled header that every test program shares is compiled for this one, which does nothing.
int main() {}
