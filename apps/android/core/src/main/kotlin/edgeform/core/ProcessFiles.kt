package edgeform.core

/* What Linux says of the machine and of the app's own process, in the text files of /proc. */

// Linux's name of a feature -> the name in a LatencyReport
private val INSTRUCTION_SETS = mapOf(
    "asimd" to "neon",
    "asimddp" to "dotprod",
    "i8mm" to "i8mm",
    "sve" to "sve",
    "avx2" to "avx2",
    "avx512_vnni" to "avx512_vnni",
)

/** The instruction sets that matter to the kernels, from the text of `/proc/cpuinfo`. */
fun instructionSets(cpuinfo: String): List<String> {
    val features = cpuinfo.lineSequence()
        .filter { it.startsWith("Features") || it.startsWith("flags") }
        .flatMap { it.substringAfter(':').split(' ') }
        .toSet()
    return INSTRUCTION_SETS.filterKeys { it in features }.values.toList()
}

/** The most memory that the process has held, from the text of `/proc/self/status`; null if unsaid. */
fun peakMemoryBytes(status: String): Long? =
    Regex("^VmHWM:\\s*(\\d{1,12}) kB$", RegexOption.MULTILINE).find(status)
        ?.let { it.groupValues[1].toLong() * 1024 }
