package edgeform.app

import android.app.Application
import android.os.Handler
import android.os.Looper
import edgeform.core.ClassifierLoader
import edgeform.core.LoadingMark
import edgeform.core.MarkingLoader
import java.util.concurrent.Executor
import java.util.concurrent.Executors

/** Owns what outlives a screen: the artifacts, the runtime, and each screen's work. */
open class SampleApplication : Application() {
    /** The runtime; tests have another, and other artifacts. */
    protected open val runtime: ClassifierLoader by lazy { ExecuTorchLoader() }

    val mark by lazy { LoadingMark(filesDir) }
    val loader: ClassifierLoader by lazy { MarkingLoader(runtime, mark) }
    open val store by lazy { ArtifactStore(assets, filesDir) { getExternalFilesDir(null) } }
    val phone by lazy { Phone(this) }

    /** Opens the phone's camera; tests have another. */
    open fun openCamera(): FrameSource = PhoneCamera(this)

    /** How far the display is turned, for whoever is turning frames upright. */
    @Volatile
    var displayDegrees = 0

    val remoteRuns by lazy { RemoteRuns { getExternalFilesDir(null) } }

    private val background = Executors.newSingleThreadExecutor() // one model at a time
    private val main = Executor { Handler(Looper.getMainLooper()).post(it) }

    val classify = Work<ClassifyState>(ClassifyState.Idle, background, main, ClassifyState::Failed)
    val camera = Work<CameraState>(CameraState.Idle, background, main, CameraState::Failed)
    val selfTest = Work<SelfTestState>(SelfTestState.Idle, background, main, SelfTestState::Failed)
    val benchmark = Work<BenchmarkState>(BenchmarkState.Idle, background, main, BenchmarkState::Failed)
}
