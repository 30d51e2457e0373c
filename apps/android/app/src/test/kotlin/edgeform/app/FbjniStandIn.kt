package com.facebook.jni

/** In the place of fbjni's class, which carries a C++ exception that nobody caught. */
class CppException(message: String) : RuntimeException(message)
