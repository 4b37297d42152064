// A shared library like any other.
extern "C" int nobody_calls_this() { return 0; }
