package edgeform.app

import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import edgeform.core.Device
import edgeform.core.instructionSets
import edgeform.core.peakMemoryBytes
import java.io.File
import java.io.IOException

/** Marks a function that looks at the API level before it calls something newer than minSdk. */
@Retention(AnnotationRetention.BINARY)
annotation class ChecksApiLevel

// PowerManager.THERMAL_STATUS_*, in order
private val THERMAL =
    listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")

/** What this phone is, and how warm and charged. */
class Phone(private val context: Context) {
    fun device() = Device(
        name = "${Build.MANUFACTURER} ${Build.MODEL}",
        os = "Android ${Build.VERSION.RELEASE} (${Build.VERSION.SDK_INT})",
        soc = soc(),
        cores = Runtime.getRuntime().availableProcessors(),
        abi = Build.SUPPORTED_ABIS.first(),
        isa = instructionSets(read("/proc/cpuinfo")),
    )

    @ChecksApiLevel
    private fun soc(): String =
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) {
            "${Build.SOC_MANUFACTURER} ${Build.SOC_MODEL}"
        } else {
            Build.HARDWARE
        }

    /** One of Android's words for it, null before Android 10. */
    @ChecksApiLevel
    fun thermalStatus(): String? {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return null
        val power = context.getSystemService(PowerManager::class.java)
        return power?.let { THERMAL.getOrNull(it.currentThermalStatus) }
    }

    /** Charge in percent, null where it is not known. */
    fun battery(): Int? {
        val changed = IntentFilter(Intent.ACTION_BATTERY_CHANGED)
        val state = context.registerReceiver(null, changed) ?: return null
        val level = state.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
        val scale = state.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
        return if (level >= 0 && scale > 0) 100 * level / scale else null
    }

    fun peakMemory(): Long? = peakMemoryBytes(read("/proc/self/status"))

    private fun read(path: String): String = try {
        File(path).readText()
    } catch (_: IOException) { // some phones hide it
        ""
    }
}
