package edgeform.app

import android.content.res.Resources
import android.os.Looper
import edgeform.core.Artifact
import edgeform.core.Classifier
import edgeform.core.ClassifierLoader
import edgeform.core.writeFloats
import java.io.File
import java.nio.FloatBuffer
import java.util.concurrent.Semaphore
import java.util.concurrent.TimeUnit
import org.robolectric.Shadows.shadowOf

private const val SECONDS = 30L

/** The application with a runtime that the test drives. */
class TestApplication : SampleApplication() {
    val standIn = StandIn()
    override val runtime: ClassifierLoader get() = standIn

    var standInCamera: FrameSource? = null
    override fun openCamera(): FrameSource = checkNotNull(standInCamera) { "the test has no camera" }

    /** Without the artifact in the app's assets: the system's have none. */
    override val store by lazy {
        ArtifactStore(Resources.getSystem().assets, filesDir) { getExternalFilesDir(null) }
    }

    /** Puts the artifact that the Python side built where adb would. */
    fun push(name: String): File {
        val folder = File(getExternalFilesDir(null), "artifacts/$name")
        File(GOLDEN, "artifact").copyRecursively(folder)
        return folder
    }
}

/**
 * In the place of the runtime. It knows the expected logits of the golden inputs, and gives
 * [otherwise] for any other input. Each run takes one permit of [permits]: without any it hangs,
 * as a slow model does.
 */
class StandIn : ClassifierLoader {
    val permits = Semaphore(Int.MAX_VALUE)
    val inputs = ArrayList<FloatArray>()
    var otherwise = FloatArray(10) { it.toFloat() }
    var failure: Throwable? = null
    var error = 0f
    var loads = 0
    var closes = 0
    var threads = 0

    override fun load(artifact: Artifact, threads: Int): Classifier {
        loads++
        this.threads = threads
        val known = List(artifact.manifest.goldenSamples) {
            artifact.goldenInput(it) to artifact.expectedLogits(it)
        }
        return object : Classifier {
            override fun run(input: FloatBuffer): FloatArray {
                check(permits.tryAcquire(SECONDS, TimeUnit.SECONDS)) { "the test let no run through" }
                failure?.let { throw it }
                val values = FloatArray(input.capacity()) { input.get(it) }
                inputs += values
                val logits = known.find { it.first.contentEquals(values) }?.second ?: otherwise
                return FloatArray(logits.size) { logits[it] + if (it == 3) error else 0f }
            }

            override fun close() {
                closes++
            }
        }
    }
}

/** Files that the Python side wrote, and the folder for those that it reads afterwards. */
val GOLDEN = File(System.getProperty("edgeform.golden")!!)
val WRITTEN = File(GOLDEN, "written").also { it.mkdirs() }

/** Lets the main thread run until [condition] holds. */
fun await(what: String, condition: () -> Boolean) {
    val end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS)
    while (true) {
        shadowOf(Looper.getMainLooper()).idle()
        if (condition()) return
        check(System.nanoTime() < end) { "waited in vain for $what" }
        Thread.sleep(2)
    }
}

/** Damages the model of an artifact folder by one bit. */
fun damage(folder: File) {
    val model = File(folder, "model.pte")
    model.writeBytes(model.readBytes().also { it[100] = (it[100].toInt() xor 1).toByte() })
}

fun bytesOf(values: FloatArray): List<Byte> = writeFloats(values).toList()
