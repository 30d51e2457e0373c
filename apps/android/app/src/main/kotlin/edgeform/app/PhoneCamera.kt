package edgeform.app

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.ImageFormat
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.util.Size
import edgeform.core.Plane
import edgeform.core.YuvImage
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ExecutionException
import java.util.concurrent.Semaphore
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException
import kotlin.math.abs

private const val PIXELS = 640 * 480 // what a frame should have about: models take 224 x 224
private const val SECONDS = 5L
private const val CLOSE_OTHERS = "Close other apps that use the camera, and start again."

/**
 * The camera at the back by Camera2, or the first one where there is none at the back. Opened in the
 * constructor, not on the main thread; throws [CameraException].
 */
class PhoneCamera(context: Context) : FrameSource {
    private val manager = context.getSystemService(CameraManager::class.java)
    private val id = chosen()
    private val facts = manager.getCameraCharacteristics(id)

    /** Of a frame, as the sensor lies: the one that is nearest to what a model needs. */
    val size: Size = chosenSize()
    private val thread = HandlerThread("camera").apply { start() }
    private val handler = Handler(thread.looper)
    private val frames = Semaphore(0)
    private val device = CompletableFuture<CameraDevice>()
    private val reader = ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, 2)

    @Volatile
    private var gone: CameraException? = null

    init {
        try {
            reader.setOnImageAvailableListener({ frames.release() }, handler)
            open()
            waited(session(waited(device)))
        } catch (error: Exception) {
            close()
            throw told(error)
        }
    }

    private fun told(error: Exception): Exception = when (error) {
        is CameraAccessException, is IllegalStateException -> // it went while it was opened
            CameraException("The camera cannot be opened: ${error.message}.", CLOSE_OTHERS, error)

        is SecurityException -> // taken back since the screen has asked
            CameraException("The app may not use the camera.", "Allow it and start again.", error)

        else -> error
    }

    private fun chosen(): String {
        val ids = manager.cameraIdList
        return ids.find { facing(it) == CameraCharacteristics.LENS_FACING_BACK } ?: ids.firstOrNull()
            ?: throw CameraException("This phone has no camera.", "Classify a photo instead.")
    }

    private fun facing(id: String): Int? =
        manager.getCameraCharacteristics(id).get(CameraCharacteristics.LENS_FACING)

    private fun chosenSize(): Size {
        val map = facts.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)
        return map?.getOutputSizes(ImageFormat.YUV_420_888)?.minByOrNull { abs(it.width * it.height - PIXELS) }
            ?: throw CameraException("This camera gives no YUV frames.", "Classify a photo instead.")
    }

    @SuppressLint("MissingPermission") // the screen asks for it; a SecurityException is told
    private fun open() = manager.openCamera(
        id,
        object : CameraDevice.StateCallback() {
            override fun onOpened(camera: CameraDevice) {
                if (!device.complete(camera)) camera.close() // too late
            }

            override fun onDisconnected(camera: CameraDevice) = lost(camera, "another app has taken it")

            override fun onError(camera: CameraDevice, error: Int) = lost(camera, "Android's error $error")
        },
        handler,
    )

    private fun lost(camera: CameraDevice, why: String) {
        camera.close()
        val problem = CameraException("The camera cannot be used: $why.", CLOSE_OTHERS)
        gone = problem
        device.completeExceptionally(problem)
        frames.release() // who waits for a frame looks
    }

    @Suppress("DEPRECATION") // its successor needs API 28
    private fun session(camera: CameraDevice): CompletableFuture<Unit> {
        val ready = CompletableFuture<Unit>()
        val callback = object : CameraCaptureSession.StateCallback() {
            override fun onConfigured(session: CameraCaptureSession) {
                try {
                    val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
                    request.addTarget(reader.surface)
                    session.setRepeatingRequest(request.build(), null, handler)
                    ready.complete(Unit)
                } catch (error: Exception) { // for who waits: here it would end the process
                    ready.completeExceptionally(error)
                }
            }

            override fun onConfigureFailed(session: CameraCaptureSession) {
                ready.completeExceptionally(CameraException("The camera refuses to give frames.", CLOSE_OTHERS))
            }
        }
        camera.createCaptureSession(listOf(reader.surface), callback, handler)
        return ready
    }

    private fun <T> waited(future: CompletableFuture<T>): T = try {
        future.get(SECONDS, TimeUnit.SECONDS)
    } catch (error: ExecutionException) {
        throw error.cause as? Exception ?: error
    } catch (error: TimeoutException) {
        throw CameraException("The camera does not open.", CLOSE_OTHERS, error)
    }

    override fun degrees(display: Int): Int {
        val sensor = facts.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0
        val front = facing(id) == CameraCharacteristics.LENS_FACING_FRONT
        return Math.floorMod(if (front) sensor + display else sensor - display, FULL_TURN)
    }

    override fun <T> newest(use: (YuvImage) -> T): T {
        while (true) {
            val came = frames.tryAcquire(SECONDS, TimeUnit.SECONDS)
            gone?.let { throw it }
            if (!came) throw CameraException("The camera gave no frame for $SECONDS seconds.", CLOSE_OTHERS)
            frames.drainPermits()
            reader.acquireLatestImage()?.use { return use(yuv(it)) }
        }
    }

    private fun yuv(image: Image): YuvImage {
        val (luma, blue, red) = image.planes.map { Plane(it.buffer, it.rowStride, it.pixelStride) }
        return YuvImage(image.width, image.height, luma, blue, red)
    }

    override fun close() {
        val opened = !device.completeExceptionally(CameraException("The camera is closed.", "Start again."))
        if (opened && !device.isCompletedExceptionally) device.get().close()
        reader.close()
        thread.quitSafely()
    }

    private companion object {
        const val FULL_TURN = 360
    }
}
