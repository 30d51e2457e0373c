import groovy.json.JsonSlurper
import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "edgeform.app"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "edgeform.app"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.targetSdk.get().toInt()
        versionCode = 1
        versionName = "0.1.0"
        ndk { abiFilters += listOf("arm64-v8a", "x86_64") } // what ExecuTorch's library is built for
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            // core brings rules of its own, as every library does
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"))
            signingConfig = signingConfigs.getByName("debug") // a sample: to run, not to publish
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.toVersion(libs.versions.java.get())
        targetCompatibility = JavaVersion.toVersion(libs.versions.java.get())
    }

    testOptions {
        unitTests.isIncludeAndroidResources = true
    }
}

// the level of the classes, not a JDK of that version: Studio brings a newer one
kotlin {
    compilerOptions { jvmTarget = JvmTarget.fromTarget(libs.versions.java.get()) }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.executorch.vulkan) // holds XNNPACK too
    testImplementation(platform(libs.junit.bom))
    testImplementation(libs.junit.vintage)
    testImplementation(libs.robolectric)
    testRuntimeOnly(libs.junit.launcher)
}

/** Puts what an app needs of each artifact folder for Android into the app's assets. */
abstract class CopyArtifacts : DefaultTask() {
    /** The `manifest.json` of each artifact. */
    @get:InputFiles
    abstract val manifests: ConfigurableFileCollection

    @get:OutputDirectory
    abstract val output: DirectoryProperty

    @TaskAction
    fun copy() {
        val assets = output.get().asFile
        assets.deleteRecursively()
        for (manifest in manifests) {
            val content = JsonSlurper().parse(manifest) as Map<*, *>
            val target = (content["target"] as Map<*, *>)["name"]
            if (target != "xnnpack" && target != "vulkan") continue
            val artifact = File(assets, "artifacts/${manifest.parentFile.name}")
            manifest.copyTo(File(artifact, manifest.name))
            for (entry in (content["files"] as List<*>).map { it as Map<*, *> }) {
                val path = entry["path"] as String
                if (entry["deploy"] == true || Regex("golden/(input|expected|image)_.*").matches(path)) {
                    File(manifest.parentFile, path).copyTo(File(artifact, path))
                }
            }
        }
    }
}

// `edgeform build` writes below artifacts/ of the folder it runs in; -Pedgeform.artifacts=DIR for others
val artifacts = providers.gradleProperty("edgeform.artifacts").orElse("$rootDir/../../artifacts")
val copyArtifacts = tasks.register<CopyArtifacts>("copyArtifacts") {
    manifests.from(artifacts.map { fileTree(it) { include("*/manifest.json") } })
}

androidComponents {
    onVariants { variant ->
        variant.sources.assets?.addGeneratedSourceDirectory(copyArtifacts, CopyArtifacts::output)
    }
}

tasks.withType<Test> {
    systemProperty("edgeform.golden", providers.gradleProperty("edgeform.golden").orElse("").get())
}
