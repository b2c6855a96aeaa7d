package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.mlxnative.internal.shim.NativeLibrary;
import dev.mlxnative.internal.shim.Platform;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The choice and the loading of the native library, mostly in forked JVMs. */
class NativeLibraryTest {
    private static final String ALLOWED = "--enable-native-access=ALL-UNNAMED";

    /** The backend that this machine uses by default. */
    private static final Backend DEFAULT = NativeLibrary.load(null);

    @TempDir
    Path folder;

    private static String open(String... options) throws Exception {
        List<String> all = new ArrayList<>(List.of(options));
        all.addFirst(ALLOWED);
        ForkedJvm jvm = ForkedJvm.run(all, OpenDevice.class);
        assertThat(jvm.exitStatus()).as(jvm.err()).isZero();
        return jvm.out();
    }

    @Test
    void thePackagedLibraryIsLoadedAndLeavesNoFileBehind() throws Exception {
        assertThat(open("-Djava.io.tmpdir=" + folder)).startsWith(DEFAULT + " 1");
        try (Stream<Path> left = Files.list(folder)) {
            // The JVM itself may keep files in the temporary folder.
            assertThat(left.filter(path -> path.getFileName().toString().startsWith("mlx-native")))
                    .isEmpty();
        }
    }

    @Test
    void aLibraryNamedByPropertyIsLoaded() throws Exception {
        assertThat(open("-Dmlx.shim.path=" + packagedLibrary())).startsWith("HOST");
    }

    private static Path packagedLibrary() {
        String resource = Platform.current().candidates().getLast().resource();
        return Path.of("target", "classes" + resource).toAbsolutePath();
    }

    @Test
    void aMissingFileIsNamed() throws Exception {
        Path missing = folder.resolve("nowhere.so");
        assertThat(open("-Dmlx.shim.path=" + missing))
                .startsWith("NativeLibraryException: there is no file " + missing)
                .contains("-Dmlx.shim.path", "leave the property out");
    }

    @Test
    void aFileThatIsNoLibraryIsRefusedWithTheLoadersReason() throws Exception {
        Path text =
                Files.writeString(folder.resolve("text.so"), "not a library, but long enough for a header".repeat(9));
        assertThat(open("-Dmlx.shim.path=" + text))
                .startsWith("NativeLibraryException: the library " + text)
                .contains("leave the property out")
                .containsPattern("(?i)invalid ELF header|not a mach-o file");
    }

    @Test
    void aLibraryOfAnotherKindIsRefused() throws Exception {
        Path other = compile("int something_else(void) { return 1; }");
        assertThat(open("-Dmlx.shim.path=" + other))
                .startsWith("NativeLibraryException: the file " + other)
                .contains("no function mlxshim_abi_version");
    }

    @Test
    void aLibraryOfAnotherAbiVersionIsRefused() throws Exception {
        Path other = compile("int mlxshim_abi_version(void) { return 77; }");
        assertThat(open("-Dmlx.shim.path=" + other))
                .startsWith("NativeLibraryException: the library " + other)
                .contains("has ABI version 77, but this jar needs 1");
    }

    private Path compile(String source) throws Exception {
        Path file = Files.writeString(folder.resolve("other.c"), source);
        Path library = folder.resolve("libother.so");
        Process cc = new ProcessBuilder("cc", "-shared", "-fPIC", "-o", library.toString(), file.toString())
                .inheritIO()
                .start();
        assertThat(cc.waitFor()).isZero();
        return library;
    }

    @Test
    void aPlatformWithoutALibraryIsToldWhatWasTried() throws Exception {
        assertThat(open("-Dos.arch=riscv64"))
                .startsWith("NativeLibraryException: this jar has no native library for")
                .contains("-riscv64", "tried /META-INF/native/", "-Dmlx.shim.path=<file>");
    }

    @Test
    void anUnusableTemporaryFolderIsNamedWithTheWayOut() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "");
        assertThat(open("-Djava.io.tmpdir=" + file))
                .startsWith("NativeLibraryException: the library /META-INF/native/")
                .contains(file.toString(), "-Djava.io.tmpdir=<folder>");
    }

    @Test
    void theBackendPropertyDecides() throws Exception {
        assertThat(open("-Dmlx.backend=host")).startsWith("HOST");
        assertThat(open("-Dmlx.backend=cuda"))
                .startsWith("NativeLibraryException: -Dmlx.backend=cuda names no backend");
        if (!System.getProperty("os.name").startsWith("Mac")) {
            assertThat(open("-Dmlx.backend=metal")).startsWith("DeviceNotFoundException: there is no METAL device");
        }
    }

    @Test
    void deniedAccessIsAnsweredWithTheFlagOnTheClassPath() throws Exception {
        ForkedJvm jvm = ForkedJvm.run(List.of(denial()), OpenDevice.class);
        assertThat(jvm.out())
                .startsWith("NativeLibraryException: native access is denied to ALL-UNNAMED")
                .contains("--enable-native-access=ALL-UNNAMED", "manifest");
    }

    @Test
    void deniedAccessIsAnsweredWithTheFlagOnTheModulePath() throws Exception {
        assertThat(asModule(denial()))
                .contains("NativeLibraryException: native access is denied to dev.mlxnative")
                .contains("--enable-native-access=dev.mlxnative")
                .doesNotContain("manifest");
    }

    @Test
    void theModuleOpensADevice() throws Exception {
        assertThat(asModule("--enable-native-access=dev.mlxnative")).startsWith(DEFAULT.name());
    }

    private static String asModule(String option) throws Exception {
        ForkedJvm jvm = ForkedJvm.java(List.of(
                option,
                "--module-path",
                Path.of("target", "classes").toString(),
                "--patch-module",
                "dev.mlxnative=" + ForkedJvm.testClasses(),
                "--module",
                "dev.mlxnative/dev.mlxnative.OpenDevice"));
        return jvm.out() + jvm.err();
    }

    /** The option that denies native access. Before Java 24, listing one module denies it to all others. */
    private static String denial() {
        return Runtime.version().feature() >= 24
                ? "--illegal-native-access=deny"
                : "--enable-native-access=java.logging";
    }

    @ParameterizedTest
    @CsvSource({
        "Mac OS X, aarch64, macos-universal/libmlxshim.dylib macos-aarch64/libmlxshim_host.dylib",
        "Mac OS X, x86_64, macos-universal/libmlxshim.dylib macos-x86_64/libmlxshim_host.dylib",
        "Linux, amd64, linux-x86_64/libmlxshim_host.so",
        "Linux, aarch64, linux-aarch64/libmlxshim_host.so",
        "Windows 11, amd64, windows-11-x86_64/libmlxshim_host.so"
    })
    void aPlatformHasItsLibrariesBestFirst(String osName, String osArch, String resources) {
        assertThat(Platform.of(osName, osArch).candidates())
                .extracting(candidate -> candidate.resource().replace("/META-INF/native/", ""))
                .containsExactly(resources.split(" "));
    }

    /**
     * Lays out the jar of a Mac on the system that runs this test. {@code os.name} determines the resources, and the
     * loader of a system accepts any file name.
     */
    @Test
    void metalIsPreferredWhereItHasADevice() throws Exception {
        assertThat(openAsMac("return 0;"))
                .as("it opens, then lacks the rest of the ABI")
                .contains("unresolved symbol");
        assertThat(openAsMac("return 2;")).startsWith("HOST");
        assertThat(openAsMac("return 2;", "-Dmlx.backend=host")).startsWith("HOST");
    }

    private String openAsMac(String openDevice, String... options) throws Exception {
        String mac = "macos-" + Platform.current().arch();
        Path jar = Files.createDirectories(folder.resolve("jar/META-INF/native"));
        Path metal = compile("""
                int mlxshim_abi_version(void) { return 1; }
                int mlxshim_backend_kind(void) { return 1; }
                int mlxshim_device_open(void **device) { %s }
                void mlxshim_device_release(void *device) { (void)device; }
                """.formatted(openDevice));
        Files.createDirectories(jar.resolve("macos-universal"));
        Files.createDirectories(jar.resolve(mac));
        Files.copy(metal, jar.resolve("macos-universal/libmlxshim.dylib"), StandardCopyOption.REPLACE_EXISTING);
        Files.copy(packagedLibrary(), jar.resolve(mac + "/libmlxshim_host.dylib"), StandardCopyOption.REPLACE_EXISTING);
        List<String> all = new ArrayList<>(List.of(
                ALLOWED,
                "-Dos.name=Mac OS X",
                "-classpath",
                folder.resolve("jar") + File.pathSeparator + System.getProperty("java.class.path")));
        all.addAll(List.of(options));
        all.add(OpenDevice.class.getName());
        ForkedJvm jvm = ForkedJvm.java(all);
        return jvm.out() + jvm.err();
    }

    @Test
    void aProcessHasOneBackend() {
        Backend loaded = NativeLibrary.load(null);
        Backend other = loaded == Backend.HOST ? Backend.METAL : Backend.HOST;
        assertThatExceptionOfType(DeviceNotFoundException.class)
                .isThrownBy(() -> MlxDevice.open(other))
                .withMessageContainingAll("no " + other, "-Dmlx.backend=");
        try (MlxDevice device = MlxDevice.open(loaded)) {
            assertThat(device.backend()).isEqualTo(loaded);
        }
    }
}
