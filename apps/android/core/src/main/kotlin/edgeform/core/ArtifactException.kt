package edgeform.core

/** An artifact that cannot be used: [what] names it and what is wrong, [remedy] what to do. */
class ArtifactException(val what: String, val remedy: String, cause: Throwable? = null) :
    Exception("$what $remedy", cause)
