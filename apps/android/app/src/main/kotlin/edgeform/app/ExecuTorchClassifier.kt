package edgeform.app

import android.os.Build
import android.util.Log
import edgeform.core.Artifact
import edgeform.core.Classifier
import edgeform.core.ClassifierException
import edgeform.core.ClassifierLoader
import java.io.Closeable
import java.io.File
import java.nio.ByteOrder
import java.nio.FloatBuffer
import org.pytorch.executorch.EValue
import org.pytorch.executorch.ExecutorchRuntimeException
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** Of the runtime in the app: the version that Gradle takes. */
const val EXECUTORCH_VERSION = "1.5.1"

/** A `.pte` that ExecuTorch has loaded; tests have another in its place. */
interface Program : Closeable {
    /** Runs on [input] in place; each output is a copy. */
    fun forward(input: FloatBuffer, shape: LongArray): List<FloatArray>
}

/**
 * Loads `.pte` files into the ExecuTorch runtime: the one file that knows its API. The runtime has
 * one thread pool, which XNNPACK's loaded models go on using: while one is open, a load with
 * another number of threads is refused, as it would free that pool under them.
 */
class ExecuTorchLoader(private val open: (File, Int) -> Program = ::ModuleProgram) : ClassifierLoader {
    private var opened = 0
    private var pool = 0 // threads of the pool while something is open

    @Synchronized
    override fun load(artifact: Artifact, threads: Int): Classifier {
        if (opened > 0 && threads != pool) {
            throw ClassifierException(
                "A model is open with ${counted(pool)}: ${artifact.manifest.name} cannot have ${counted(threads)}.",
                "Close the open model first, or load this one with the same number of threads.",
            )
        }
        val program = explained(artifact) { open(artifact.model, threads) }
        pool = threads
        opened++
        return ExecuTorchClassifier(artifact, program, ::closed)
    }

    @Synchronized
    private fun closed() {
        opened--
    }

    private fun counted(threads: Int) = if (threads == 0) "the runtime's own number of threads" else "$threads threads"
}

private class ModuleProgram(model: File, threads: Int) : Program {
    private val module = Module.load(model.path, Module.LOAD_MODE_MMAP, threads)

    init {
        try {
            module.loadMethod(FORWARD) // else the first run would load the delegate
        } catch (error: RuntimeException) {
            module.close()
            throw error
        }
    }

    override fun forward(input: FloatBuffer, shape: LongArray): List<FloatArray> =
        module.forward(EValue.from(Tensor.fromBlob(input, shape))).map { it.toTensor().dataAsFloatArray }

    override fun close() = module.close()

    private companion object {
        const val FORWARD = "forward"
    }
}

private class ExecuTorchClassifier(
    private val artifact: Artifact, private val program: Program, private val closed: () -> Unit,
) : Classifier {
    private val shape = artifact.manifest.input.shape.map { it.toLong() }.toLongArray()
    private val elements = artifact.manifest.input.elements
    private var open = true

    override fun run(input: FloatBuffer): FloatArray {
        if (!open) {
            throw ClassifierException("${artifact.manifest.name} was closed before this run.", "Load it again.")
        }
        if (!input.isDirect || input.order() != ByteOrder.nativeOrder() || input.capacity() != elements) {
            throw ClassifierException(
                "The input is no direct buffer of $elements numbers in the phone's byte order.",
                "Take one from Preprocessing.allocate().",
            )
        }
        val outputs = explained(artifact) { program.forward(input, shape) }
        if (outputs.sumOf { it.size } != artifact.manifest.output.elements) {
            throw ClassifierException(
                "${artifact.manifest.name} gives outputs of another size than its manifest says.",
                "Build the artifact again.",
            )
        }
        return outputs.reduce(FloatArray::plus)
    }

    override fun close() {
        if (!open) return
        open = false
        program.close()
        closed()
    }
}

private const val TAG = "edgeform"

/** Before the runtime's log, earlier failures first, in an exception's text. */
private const val NATIVE_LOG = " | nativeLog="

/** Runs [action], a call of the runtime, its errors told as what they mean for a user. */
private inline fun <T> explained(artifact: Artifact, action: () -> T): T = try {
    action()
} catch (error: RuntimeException) { // ExecuTorch's own, and C++'s: com.facebook.jni.CppException
    Log.e(TAG, "ExecuTorch", error) // whole, with the runtime's log
    throw ClassifierException(
        "The runtime refused ${artifact.manifest.name}: ${said(error)}.", remedy(error, artifact), error,
    )
} catch (error: LinkageError) { // of libexecutorch.so, or of what it looks up by name
    Log.e(TAG, "ExecuTorch", error)
    throw ClassifierException(
        "ExecuTorch's library cannot be used: ${said(error.cause ?: error)}.", remedyOfLinking(), error,
    )
}

private fun said(error: Throwable): String =
    error.message?.substringBefore(NATIVE_LOG)?.trim()?.trimEnd('.')?.ifEmpty { null } ?: error.javaClass.name

private fun remedyOfLinking(): String {
    val abis = Build.SUPPORTED_ABIS.toList()
    return if (abis.none { it == "arm64-v8a" || it == "x86_64" }) {
        "This phone has ${abis.joinToString()}: use one with arm64-v8a, or an emulator with x86_64."
    } else {
        "Build the app with ExecuTorch's library in it, and minified only with the rules of core's consumer-rules.pro."
    }
}

private fun remedy(error: RuntimeException, artifact: Artifact): String = when {
    code(error) in MEMORY -> "The phone has too little free memory: close other apps, or use a smaller model."
    code(error) in VERSION -> "It was built by another version: this app has ExecuTorch $EXECUTORCH_VERSION."
    error is IllegalArgumentException -> "Copy the artifact to the phone again." // a path that cannot be read
    artifact.manifest.target == "vulkan" ->
        "The phone needs a GPU and driver that have what the file uses; " +
            "without them, build the artifact with --target xnnpack."

    else -> "Build the artifact again with edgeform."
}

private val MEMORY = setOf(
    ExecutorchRuntimeException.MEMORY_ALLOCATION_FAILED,
    ExecutorchRuntimeException.DELEGATE_MEMORY_ALLOCATION_FAILED,
    ExecutorchRuntimeException.OUT_OF_RESOURCES,
)
private val VERSION = setOf(
    ExecutorchRuntimeException.INVALID_PROGRAM,
    ExecutorchRuntimeException.DELEGATE_INVALID_COMPATIBILITY,
)
private val NATIVE_ERROR = Regex("""\[Native Error: 0x([0-9a-fA-F]{1,4})]""")

/** The code in the text, where there is one: `Module.load` gives every unreadable program the same. */
private fun code(error: RuntimeException): Int? =
    NATIVE_ERROR.find(error.message.orEmpty().substringBefore(NATIVE_LOG))?.groupValues?.get(1)?.toInt(16)
        ?: (error as? ExecutorchRuntimeException)?.errorCode
