package edgeform.app

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.media.ExifInterface
import edgeform.core.ArtifactException
import edgeform.core.RgbImage
import java.io.ByteArrayInputStream
import java.io.IOException

private const val MOST_PIXELS = 50_000_000L // 200 MB decoded
private const val LONGEST = 100 // longer side over shorter side

/** Decodes an image file to upright RGB. Throws [ArtifactException] for one that cannot be. */
fun decodePhoto(encoded: ByteArray): RgbImage {
    val options = BitmapFactory.Options().apply { inJustDecodeBounds = true }
    BitmapFactory.decodeByteArray(encoded, 0, encoded.size, options)
    val width = options.outWidth
    val height = options.outHeight
    if (width <= 0 || height <= 0) throw unreadable("it is no image that Android knows")
    if (width.toLong() * height > MOST_PIXELS) {
        throw unreadable("$width x $height pixels are more than $MOST_PIXELS")
    }
    if (maxOf(width, height) > LONGEST * minOf(width, height)) {
        throw unreadable("of $width x $height pixels one side is more than $LONGEST times the other")
    }
    val bitmap = BitmapFactory.decodeByteArray(
        encoded,
        0,
        encoded.size,
        BitmapFactory.Options().apply {
            inPreferredConfig = Bitmap.Config.ARGB_8888
            inPremultiplied = false
            inScaled = false
        },
    ) ?: throw unreadable("it is damaged")
    val pixels = IntArray(bitmap.width * bitmap.height)
    bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
    return RgbImage.fromArgb(bitmap.width, bitmap.height, pixels).upright(orientation(encoded))
}

private fun orientation(encoded: ByteArray): Int = try {
    ExifInterface(ByteArrayInputStream(encoded))
        .getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
} catch (_: IOException) { // a format that has no EXIF
    ExifInterface.ORIENTATION_NORMAL
}

private fun unreadable(why: String) =
    ArtifactException("The image cannot be used: $why.", "Choose another.")

/** A picture for the screen. */
fun RgbImage.toBitmap(): Bitmap {
    val pixels = IntArray(width * height) { index ->
        fun channel(number: Int) = bytes[3 * index + number].toInt() and 0xff
        (0xff shl 24) or (channel(0) shl 16) or (channel(1) shl 8) or channel(2)
    }
    return Bitmap.createBitmap(pixels, width, height, Bitmap.Config.ARGB_8888)
}
