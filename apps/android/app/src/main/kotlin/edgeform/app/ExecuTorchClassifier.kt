package edgeform.app

import android.os.Build
import edgeform.core.Artifact
import edgeform.core.Classifier
import edgeform.core.ClassifierException
import edgeform.core.ClassifierLoader
import java.nio.FloatBuffer
import org.pytorch.executorch.EValue
import org.pytorch.executorch.ExecutorchRuntimeException
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** Of the runtime in the app: the version that Gradle takes. */
const val EXECUTORCH_VERSION = "1.5.1"

/** Loads `.pte` files into the ExecuTorch runtime: the one file that knows its API. */
object ExecuTorchLoader : ClassifierLoader {
    override fun load(artifact: Artifact, threads: Int): Classifier = explained(artifact) {
        val module = Module.load(artifact.model.path, Module.LOAD_MODE_MMAP, threads)
        try {
            module.loadMethod(FORWARD) // else the first run would load the delegate
        } catch (error: RuntimeException) {
            module.close()
            throw error
        }
        ExecuTorchClassifier(artifact, module)
    }
}

private const val FORWARD = "forward"

private class ExecuTorchClassifier(private val artifact: Artifact, private val module: Module) :
    Classifier {
    private val shape = artifact.manifest.input.shape.map { it.toLong() }.toLongArray()
    private val output = artifact.manifest.output

    /** The runtime reads [input] in place; its outputs are its own memory, copied here. */
    override fun run(input: FloatBuffer): FloatArray = explained(artifact) {
        val outputs = module.forward(EValue.from(Tensor.fromBlob(input, shape)))
        val logits = FloatArray(output.elements)
        var filled = 0
        for (tensor in outputs.map { it.toTensor().dataAsFloatArray }) {
            if (filled + tensor.size > logits.size) throw unexpected(artifact)
            tensor.copyInto(logits, filled)
            filled += tensor.size
        }
        if (filled != logits.size) throw unexpected(artifact)
        logits
    }

    override fun close() = module.close()
}

private fun unexpected(artifact: Artifact) = ClassifierException(
    "${artifact.manifest.name} gives outputs of another size than its manifest says.",
    "Build the artifact again.",
)

/** Runs [action], its errors told as what they mean for a user. */
private inline fun <T> explained(artifact: Artifact, action: () -> T): T = try {
    action()
} catch (error: ExecutorchRuntimeException) {
    throw ClassifierException(
        "The runtime refused ${artifact.manifest.name}: ${error.message}.", remedy(error, artifact), error,
    )
} catch (error: IllegalArgumentException) { // of a path that cannot be read
    throw ClassifierException(
        "${artifact.model.name} cannot be loaded: ${error.message}.",
        "Copy the artifact to the phone again.",
        error,
    )
} catch (error: LinkageError) { // no libexecutorch.so for this processor
    throw ClassifierException(
        "ExecuTorch has no library for this phone's ${Build.SUPPORTED_ABIS.joinToString()}.",
        "Use a phone or emulator with arm64-v8a or x86_64.",
        error,
    )
}

private fun remedy(error: ExecutorchRuntimeException, artifact: Artifact): String =
    when (error.errorCode) {
        ExecutorchRuntimeException.MEMORY_ALLOCATION_FAILED,
        ExecutorchRuntimeException.DELEGATE_MEMORY_ALLOCATION_FAILED,
        ExecutorchRuntimeException.OUT_OF_RESOURCES,
        -> "The phone has too little free memory: close other apps, or use a smaller model."

        ExecutorchRuntimeException.INVALID_PROGRAM,
        ExecutorchRuntimeException.DELEGATE_INVALID_COMPATIBILITY,
        -> "It was built by another version: this app has ExecuTorch $EXECUTORCH_VERSION."

        else ->
            if (artifact.manifest.target == "vulkan") {
                "It needs Vulkan: install the app's vulkan flavour on a phone whose GPU has it, " +
                    "or build the artifact with --target xnnpack."
            } else {
                "Build the artifact again with edgeform."
            }
    }
