package edgeform.app

import android.content.Intent
import edgeform.core.ArtifactException
import edgeform.core.BenchmarkPlan
import edgeform.core.readFloats
import edgeform.core.writeFloats
import java.io.File
import org.json.JSONObject

/*
 * How edgeform runs this app over adb. It pushes an artifact into `artifacts/<name>` of the app's
 * external files, for a self-test inputs into `runs/<run>/input_<i>.f32`, and starts a screen with
 * the extras below. The app answers in `results/<run>/`: `progress` while it runs, then the files
 * of the result, and last `done.json`, which is {} or {"what", "remedy"} of a problem, with "debug"
 * where the runtime said more.
 */

private val RUN = Regex("[A-Za-z0-9]{1,32}")

/** What an intent asks for. */
class RemoteRequest private constructor(
    val run: String,
    val artifact: String,
    val threads: Int,
    val warmUp: Int,
    val iterations: Int,
    val samples: Int,
) {
    companion object {
        /** Null where the intent does not come from edgeform. */
        fun of(intent: Intent): RemoteRequest? {
            val run = intent.getStringExtra("run")?.takeIf(RUN::matches) ?: return null
            return RemoteRequest(
                run = run,
                artifact = intent.getStringExtra("artifact").orEmpty(),
                threads = intent.getIntExtra("threads", defaultThreads()),
                warmUp = intent.getIntExtra("warmup", 0),
                iterations = intent.getIntExtra("iterations", 1),
                samples = intent.getIntExtra("samples", 0),
            )
        }
    }
}

/** The folders of the runs, in the app's external files. */
class RemoteRuns(private val external: () -> File?) {
    /**
     * Lets [action] make the answer, and tells edgeform that it is there or what went wrong, which
     * it also returns.
     */
    fun answer(request: RemoteRequest, action: (RemoteAnswer) -> Unit): Problem? {
        val root = external() ?: throw ArtifactException(
            "The phone's shared storage is not mounted.", "Unlock the phone.",
        )
        val results = File(root, "results/${request.run}").also { it.mkdirs() }
        val answer = RemoteAnswer(request, File(root, "runs/${request.run}"), results)
        val problem = try {
            action(answer)
            null
        } catch (error: Exception) {
            Problem.of(error)
        } catch (error: OutOfMemoryError) {
            Problem.of(error)
        }
        val said = JSONObject()
        if (problem != null) {
            said.put("what", problem.what).put("remedy", problem.remedy).putOpt("debug", problem.debug)
        }
        answer.write("done.json", said.toString().toByteArray())
        return problem
    }
}

/** One run: its request, its inputs and where its results go. */
class RemoteAnswer(
    private val request: RemoteRequest, private val inputs: File, private val results: File,
) {
    /** Runs edgeform's inputs and leaves the logits of each. */
    fun executed(app: SampleApplication) {
        val artifact = app.store.open(request.artifact)
        execute(app, artifact, request.samples, { input(it, artifact.manifest.input.elements) }) { sample, logits ->
            write("logits_$sample.f32", writeFloats(logits))
            step(sample + 1, request.samples)
        }
    }

    private fun input(sample: Int, elements: Int): FloatArray {
        val bytes = File(inputs, "input_$sample.f32").readBytes()
        if (bytes.size != 4 * elements) {
            throw ArtifactException("Input $sample has another size than the model's.", "Push it again.")
        }
        return readFloats(bytes)
    }

    /** Measures, and leaves the report. */
    fun measured(app: SampleApplication, progress: Progress<BenchmarkState>): BenchmarkState {
        val plan = BenchmarkPlan(request.threads, request.warmUp, request.iterations)
        val stepping = Progress<BenchmarkState>(
            publish = { state ->
                if (state is BenchmarkState.Running) step(state.done, state.all)
                progress.publish(state)
            },
            cancelled = progress.cancelled,
        )
        val state = measure(app, request.artifact, plan, stepping)
        if (state !is BenchmarkState.Done) {
            throw ArtifactException("The benchmark was cancelled on the phone.", "Start it again.")
        }
        write("report.json", state.result.report.toJson().toByteArray())
        return state
    }

    private fun step(done: Int, all: Int) = write("progress", "$done/$all\n".toByteArray())

    /** In one step: who reads sees a whole file or none. */
    fun write(name: String, content: ByteArray) {
        val part = File(results, "$name.part")
        part.writeBytes(content)
        if (!part.renameTo(File(results, name))) {
            throw ArtifactException("The phone's storage refuses $name.", "Free some space there.")
        }
    }
}
