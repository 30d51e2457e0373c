// The signatures of ExecuTorch 1.5's Kotlin API that an app can call, without what stands behind.
package org.pytorch.executorch

import java.io.Closeable
import java.nio.FloatBuffer

private fun signature(): Nothing = error("a signature alone")

open class Module private constructor() : Closeable {
    open fun forward(vararg inputs: EValue): Array<EValue> = signature()

    open fun execute(methodName: String, vararg inputs: EValue): Array<EValue> = signature()

    open fun loadMethod(methodName: String): Unit = signature()

    open fun getMethods(): Array<String> = signature()

    open fun readLogBuffer(): Array<String>? = signature()

    open fun etdump(outputPath: String): Boolean = signature()

    open fun destroy(): Unit = signature()

    override fun close() = destroy()

    companion object {
        const val LOAD_MODE_FILE = 0
        const val LOAD_MODE_MMAP = 1
        const val LOAD_MODE_MMAP_USE_MLOCK = 2
        const val LOAD_MODE_MMAP_USE_MLOCK_IGNORE_ERRORS = 3

        @JvmStatic
        @JvmOverloads
        fun load(modelPath: String?, loadMode: Int = LOAD_MODE_FILE, numThreads: Int = 0): Module = signature()

        @JvmStatic
        @JvmOverloads
        fun load(
            modelPath: String?, options: BackendOptionsMap, loadMode: Int = LOAD_MODE_FILE, numThreads: Int = 0,
        ): Module = signature()
    }
}

class BackendOptionsMap {
    fun setInt(backendName: String, key: String, value: Int): BackendOptionsMap = signature()
}

class EValue private constructor() {
    val isTensor: Boolean get() = signature()

    fun toTensor(): Tensor = signature()

    companion object {
        @JvmStatic
        fun from(tensor: Tensor): EValue = signature()

        @JvmStatic
        fun from(value: Boolean): EValue = signature()

        @JvmStatic
        fun from(value: Long): EValue = signature()

        @JvmStatic
        fun from(value: Double): EValue = signature()

        @JvmStatic
        fun from(value: String): EValue = signature()
    }
}

abstract class Tensor internal constructor() {
    fun numel(): Long = signature()

    fun shape(): LongArray = signature()

    open val dataAsFloatArray: FloatArray get() = signature()

    open fun copyDataInto(dst: FloatBuffer): Unit = signature()

    companion object {
        @JvmStatic
        fun fromBlob(data: FloatArray, shape: LongArray): Tensor = signature()

        @JvmStatic
        fun fromBlob(data: FloatBuffer, shape: LongArray): Tensor = signature()
    }
}

open class ExecutorchRuntimeException(val errorCode: Int, details: String?) : RuntimeException(details) {
    constructor(errorCode: Int, details: String?, cause: Throwable?) : this(errorCode, details) {
        initCause(cause)
    }

    companion object {
        const val OK = 0x00
        const val INTERNAL = 0x01
        const val INVALID_STATE = 0x02
        const val NOT_SUPPORTED = 0x10
        const val NOT_IMPLEMENTED = 0x11
        const val INVALID_ARGUMENT = 0x12
        const val INVALID_TYPE = 0x13
        const val OPERATOR_MISSING = 0x14
        const val NOT_FOUND = 0x20
        const val MEMORY_ALLOCATION_FAILED = 0x21
        const val ACCESS_FAILED = 0x22
        const val INVALID_PROGRAM = 0x23
        const val INVALID_EXTERNAL_DATA = 0x24
        const val OUT_OF_RESOURCES = 0x25
        const val DELEGATE_INVALID_COMPATIBILITY = 0x30
        const val DELEGATE_MEMORY_ALLOCATION_FAILED = 0x31
        const val DELEGATE_INVALID_HANDLE = 0x32
    }
}
