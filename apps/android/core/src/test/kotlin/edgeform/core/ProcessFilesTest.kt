package edgeform.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test

class ProcessFilesTest {
    @Test
    fun `instruction sets are read from both architectures' names`() {
        val arm = "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp i8mm\nprocessor\t: 1\n"
        assertEquals(listOf("neon", "dotprod", "i8mm"), instructionSets(arm))
        assertEquals(listOf("avx2"), instructionSets("model name\t: x avx512_vnni\nflags\t\t: fpu avx2\n"))
        assertEquals(emptyList<String>(), instructionSets(""))
    }

    @Test
    fun `the peak is in bytes`() {
        assertEquals(2048L, peakMemoryBytes("VmPeak:\t  9 kB\nVmHWM:\t       2 kB\nVmRSS:\t 1 kB\n"))
        assertNull(peakMemoryBytes("VmRSS:\t 1 kB\n"))
    }
}
