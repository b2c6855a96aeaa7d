package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.mlxnative.internal.shim.NativeLibrary;
import dev.mlxnative.internal.shim.Platform;
import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The choice and the loading of the native library, mostly in forked JVMs. */
class NativeLibraryTest {
    private static final String ALLOWED = "--enable-native-access=ALL-UNNAMED";
    private static final int ABI_VERSION = mlxshim_h.MLXSHIM_ABI_VERSION();

    /** The backend that this machine uses by default. */
    private static final Backend DEFAULT = NativeLibrary.load(null);

    @TempDir
    Path folder;

    /** Opens a device in a forked JVM. */
    private static String open(String... options) throws Exception {
        List<String> all = new ArrayList<>(List.of(options));
        all.addFirst(ALLOWED);
        ForkedJvm jvm = ForkedJvm.run(all, OpenDevice.class);
        assertThat(jvm.exitStatus()).as(jvm.err()).isZero();
        return jvm.out();
    }

    /** Opens a device for each of these properties in one forked JVM, behind a command. */
    private static List<String> openEach(List<String> prefix, List<String> properties) throws Exception {
        List<String> all = new ArrayList<>(
                List.of(ALLOWED, "-classpath", System.getProperty("java.class.path"), OpenDevice.class.getName()));
        all.addAll(properties);
        ForkedJvm jvm = ForkedJvm.behind(prefix, all);
        assertThat(jvm.exitStatus()).as(jvm.err()).isZero();
        List<String> lines = jvm.out().lines().toList();
        assertThat(lines).as(jvm.err()).hasSameSizeAs(properties);
        return lines;
    }

    /** Tries library files one after the other in one forked JVM, and then the packaged one, which has to load. */
    private static List<String> refused(Object... files) throws Exception {
        List<String> properties = new ArrayList<>();
        for (Object file : files) {
            properties.add("mlx.shim.path=" + file);
        }
        properties.add("mlx.shim.path=" + packagedLibrary());
        List<String> lines = openEach(List.of(), properties);
        assertThat(lines.getLast()).startsWith("HOST");
        List<String> messages = lines.subList(0, files.length);
        assertThat(messages).allMatch(line -> line.startsWith("NativeLibraryException: "));
        return messages;
    }

    private static Path packagedLibrary() {
        String resource = Platform.current().candidates().getLast().resource();
        return Path.of("target", "classes" + resource).toAbsolutePath();
    }

    /** The library in a class loader of its own. */
    private static URLClassLoader newLoader() throws Exception {
        return new URLClassLoader(
                new URL[] {
                    Path.of("target", "classes").toUri().toURL(),
                    Path.of(ForkedJvm.testClasses()).toUri().toURL()
                },
                ClassLoader.getPlatformClassLoader());
    }

    private static String openIn(ClassLoader loader) throws Exception {
        return (String)
                loader.loadClass(OpenDevice.class.getName()).getMethod("open").invoke(null);
    }

    /** Opens a device in a new class loader of this JVM, with a system property. */
    private static String openInNewLoader(String property, String value) throws Exception {
        String before = System.getProperty(property);
        System.setProperty(property, value);
        try (URLClassLoader loader = newLoader()) {
            return openIn(loader);
        } finally {
            if (before == null) {
                System.clearProperty(property);
            } else {
                System.setProperty(property, before);
            }
        }
    }

    /** The copies of libraries in a folder, where the JVM itself may keep files too. */
    private static List<Path> copiesIn(Path parent) throws IOException {
        try (Stream<Path> files = Files.list(parent)) {
            return files.filter(path -> path.getFileName().toString().startsWith("mlx-native"))
                    .toList();
        }
    }

    @Test
    void thePackagedLibraryIsLoadedAndLeavesNoFileBehind() throws Exception {
        assertThat(open("-Djava.io.tmpdir=" + folder)).startsWith(DEFAULT + " 1");
        assertThat(copiesIn(folder)).isEmpty();
    }

    @Test
    void theTemporaryFolderMayBeRelative() throws Exception {
        Path relative = Path.of("").toAbsolutePath().relativize(folder.toRealPath());
        assertThat(openInNewLoader("java.io.tmpdir", relative.toString())).startsWith(DEFAULT + " 1");
        assertThat(copiesIn(folder)).isEmpty();
    }

    @Test
    void anEmptyTemporaryFolderIsTheCurrentOne() throws Exception {
        assertThat(openInNewLoader("java.io.tmpdir", "")).startsWith(DEFAULT + " 1");
        assertThat(copiesIn(Path.of(""))).isEmpty();
    }

    @Test
    void anUnusableTemporaryFolderIsNamedWithTheWayOut() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "");
        Path missing = folder.resolve("missing");
        for (Path unusable : List.of(file, missing)) {
            assertThat(openInNewLoader("java.io.tmpdir", unusable.toString()))
                    .startsWith("NativeLibraryException: the library /META-INF/native/")
                    .contains(
                            "could not be copied to the temporary folder " + unusable,
                            "Name a folder that exists, is writable and has room for ",
                            "-Djava.io.tmpdir=<folder>",
                            "-Dmlx.shim.path=<file>");
        }
    }

    /** The locale of a JVM decides which file names it can use. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aPathOutsideAsciiNeedsALocaleThatHasIt() throws Exception {
        Path accented = Files.createDirectory(folder.resolve("tmp \u00e9"));
        Path library = Files.copy(packagedLibrary(), accented.resolve("library.so"));
        List<String> properties = List.of("mlx.shim.path=" + library, "java.io.tmpdir=" + accented);
        assertThat(openEach(List.of("env", "LC_ALL=C"), properties))
                .allSatisfy(line -> assertThat(line)
                        .startsWith("NativeLibraryException: -D")
                        .contains(" is no path: ", "File names are in US-ASCII", "LC_ALL=C.UTF-8"));
        assertThat(openEach(List.of("env", "LC_ALL=C.UTF-8"), properties))
                .allSatisfy(line -> assertThat(line).startsWith("HOST 1"));
    }

    /** Folders that need mounts of their own, in a mount namespace that ends with the JVM. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aFolderIsNoexecOrFullOrReadOnly() throws Exception {
        requireMounts();
        Path library = Files.copy(packagedLibrary(), folder.resolve("library.so"));
        String mounts = """
                cd "$1" && mkdir noexec full readonly &&
                mount -t tmpfs -o noexec none noexec && cp library.so noexec &&
                mount -t tmpfs -o size=8k none full &&
                mount -t tmpfs -o ro none readonly &&
                shift && exec "$@"
                """;
        List<String> messages = openEach(
                List.of("unshare", "--map-root-user", "--mount", "sh", "-c", mounts, "sh", folder.toString()),
                List.of(
                        "java.io.tmpdir=" + folder.resolve("noexec"),
                        "mlx.shim.path=" + folder.resolve("noexec").resolve(library.getFileName()),
                        "java.io.tmpdir=" + folder.resolve("full"),
                        "java.io.tmpdir=" + folder.resolve("readonly")));
        assertThat(messages.get(0)).contains("Its folder is mounted 'noexec'", "-Djava.io.tmpdir=<folder>");
        assertThat(messages.get(1)).contains("Its folder must not be mounted 'noexec'");
        assertThat(messages.get(2)).contains("No space left on device", "has room for ");
        assertThat(messages.get(3)).contains("Read-only file system", "is writable");
    }

    /** Without namespaces the test is skipped, or fails if {@code MLX_REQUIRE_MOUNTS} is set. */
    private static void requireMounts() throws Exception {
        boolean allowed;
        try {
            List<String> mount =
                    List.of("unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt");
            allowed = new ProcessBuilder(mount)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            allowed = false;
        }
        if (!allowed) {
            String missing = "folders that are noexec, full or read-only were not tried: unshare cannot make mounts";
            if (System.getenv("MLX_REQUIRE_MOUNTS") != null) {
                throw new AssertionError(missing);
            }
            abort(missing);
        }
    }

    /** Deletes copies as they appear, at every moment between their creation and their end. */
    @Test
    void aFolderThatIsCleanedMeanwhileIsNamed() throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        Thread cleaner = new Thread(() -> {
            while (!done.get()) {
                try {
                    for (Path copy : copiesIn(folder)) {
                        for (File file :
                                Objects.requireNonNullElse(copy.toFile().listFiles(), new File[0])) {
                            file.delete();
                        }
                        copy.toFile().delete();
                    }
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        });
        cleaner.start();
        try {
            for (int i = 0; i < 10; i++) {
                assertThat(openInNewLoader("java.io.tmpdir", folder.toString()))
                        .matches(DEFAULT + " 1.*|NativeLibraryException: .*-Djava\\.io\\.tmpdir=<folder>.*");
            }
        } finally {
            done.set(true);
            cleaner.join();
        }
    }

    @Test
    void aLibraryNamedByPropertyIsLoaded() throws Exception {
        assertThat(open("-Dmlx.shim.path=" + packagedLibrary())).startsWith("HOST");
    }

    @Test
    void aPathThatIsNoFileIsNamed() throws Exception {
        Path missing = folder.resolve("nowhere.so");
        List<String> messages = refused(missing, folder, "");
        assertThat(messages.get(0)).contains("the library " + missing, "does not exist", "leave the property out");
        assertThat(messages.get(1)).contains("the library " + folder, "is no regular file", "leave the property out");
        assertThat(messages.get(2)).contains("-Dmlx.shim.path is empty", "leave the property out");
    }

    @Test
    void aFileThatIsNoLibraryIsRefusedWithTheLoadersReason() throws Exception {
        Path text =
                Files.writeString(folder.resolve("text.so"), "not a library, but long enough for a header".repeat(9));
        Path empty = Files.createFile(folder.resolve("empty.so"));
        List<String> messages = refused(text, empty);
        assertThat(messages).allSatisfy(message -> assertThat(message).contains("leave the property out"));
        assertThat(messages.get(0))
                .contains("the library " + text)
                .containsPattern("(?i)invalid ELF header|not a mach-o file");
        assertThat(messages.get(1)).contains("the library " + empty).containsPattern("(?i)file too short|not a mach-o");
    }

    /** The loader of Linux maps a truncated library beyond its end, and the process then dies when it reads it. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aTruncatedLibraryIsRefused() throws Exception {
        byte[] whole = Files.readAllBytes(packagedLibrary());
        List<Object> truncated = new ArrayList<>();
        for (int bytes : new int[] {1, 63, 64, 500, 1000, 4096, 10_000, whole.length / 2}) {
            truncated.add(Files.write(folder.resolve(bytes + ".so"), Arrays.copyOf(whole, bytes)));
        }
        assertThat(refused(truncated.toArray()))
                .allSatisfy(message -> assertThat(message)
                        .containsPattern(
                                "is truncated: it has \\d+ bytes of at least \\d+|file too short|cannot read file data")
                        .contains("Name a whole library"));
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void aLibraryOfAnotherProcessorIsRefused() throws Exception {
        int machineOffset = 18;
        byte[] library = Files.readAllBytes(packagedLibrary());
        boolean isArm = library[machineOffset] == (byte) 183;
        library[machineOffset] = (byte) (isArm ? 62 : 183);
        Path other = Files.write(folder.resolve("other.so"), library);
        int riscv = 243;
        library[machineOffset] = (byte) riscv;
        Path third = Files.write(folder.resolve("third.so"), library);
        List<String> messages = refused(other, third);
        assertThat(messages.get(0))
                .contains("is built for " + (isArm ? "x86_64" : "aarch64") + " and not for " + Platform.current());
        assertThat(messages.get(1)).contains("is built for machine 243 and not for " + Platform.current());
    }

    @Test
    void aLibraryThatLacksADependencyIsRefused() throws Exception {
        Path dependency = compile("dependency", "int needed(void) { return 1; }");
        String source = "int needed(void); int mlxshim_abi_version(void) { return needed(); }";
        Path linked = compile("linked", source, dependency.toString());
        Files.delete(dependency);
        List<String> messages = refused(linked);
        assertThat(messages)
                .singleElement(InstanceOfAssertFactories.STRING)
                .contains(dependency.getFileName().toString(), "finds all it depends on");
    }

    /** Bound at its first call, a missing function ends the process. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aLibraryThatCallsAMissingFunctionIsRefused() throws Exception {
        Path unlinked = compile("unlinked", "int needed(void); int mlxshim_abi_version(void) { return needed(); }");
        assertThat(refused(unlinked))
                .singleElement(InstanceOfAssertFactories.STRING)
                .contains("undefined symbol: needed", "finds all it depends on");
    }

    @Test
    void aLibraryOfAnotherKindOrVersionIsRefused() throws Exception {
        Path other = compile("other", "int something_else(void) { return 1; }");
        Path later = compile("later", "int mlxshim_abi_version(void) { return 77; }");
        Path incomplete = compile("incomplete", stubs("mlxshim_event_wait", "mlxshim_page_size"));
        List<String> messages = refused(other, later, incomplete);
        assertThat(messages)
                .allSatisfy(message -> assertThat(message).endsWith("Use the library that belongs to the jar"));
        assertThat(messages.get(0)).contains("the library " + other, "no function mlxshim_abi_version");
        assertThat(messages.get(1))
                .contains("the library " + later, "has ABI version 77, but this jar needs " + ABI_VERSION);
        assertThat(messages.get(2))
                .contains("the library " + incomplete, "lacks 2 function(s)", "mlxshim_event_wait, mlxshim_page_size.");
    }

    /** A library in C with all functions but some. Each returns 0, and {@code mlxshim_abi_version} the version. */
    private static String stubs(String... without) {
        return Stream.of(mlxshim_h.class.getDeclaredClasses())
                .map(Class::getSimpleName)
                .filter(name -> !List.of(without).contains(name))
                .map(name -> "long long " + name + "(void) { return " + (name.endsWith("abi_version") ? ABI_VERSION : 0)
                        + "; }")
                .collect(Collectors.joining("\n"));
    }

    private Path compile(String name, String source, String... libraries) throws Exception {
        Path file = Files.writeString(folder.resolve(name + ".c"), source);
        Path library = folder.resolve("lib" + name + ".so");
        List<String> command =
                new ArrayList<>(List.of("cc", "-shared", "-fPIC", "-o", library.toString(), file.toString()));
        command.addAll(List.of(libraries));
        Process cc = new ProcessBuilder(command).inheritIO().start();
        assertThat(cc.waitFor()).isZero();
        return library;
    }

    /** Two applications of one JVM that each have the library, as web applications do. */
    @Test
    void everyClassLoaderHasALibraryOfItsOwn() throws Exception {
        for (String value : new String[] {"", packagedLibrary().toString()}) {
            try (URLClassLoader first = newLoader();
                    URLClassLoader second = newLoader()) {
                if (!value.isEmpty()) {
                    System.setProperty("mlx.shim.path", value);
                }
                for (ClassLoader loader : List.of(first, second, first)) {
                    assertThat(openIn(loader)).matches("(HOST|METAL) 1.*");
                }
            } finally {
                System.clearProperty("mlx.shim.path");
            }
        }
    }

    /** The JDK itself keeps soft references to classes for which it has made method handles. */
    @Test
    void aClassLoaderIsFreedWithItsLibrary() throws Exception {
        ForkedJvm jvm = ForkedJvm.run(List.of(ALLOWED, "-XX:SoftRefLRUPolicyMSPerMB=0"), OpenAndDrop.class);
        assertThat(jvm.out()).as(jvm.err()).isEqualToNormalizingNewlines(DEFAULT + "\nfreed\n");
    }

    /** The main class of a forked JVM: opens a device in a new class loader, which it then drops. */
    static final class OpenAndDrop {
        private OpenAndDrop() {}

        public static void main(String[] arguments) throws Exception {
            WeakReference<ClassLoader> dropped = openAndDrop();
            for (int i = 0; i < 100 && dropped.get() != null; i++) {
                System.gc();
                Thread.sleep(10);
            }
            System.out.println(dropped.get() == null ? "freed" : "not freed");
        }

        private static WeakReference<ClassLoader> openAndDrop() throws Exception {
            try (URLClassLoader loader = newLoader()) {
                System.out.println(openIn(loader).split(" ")[0]);
                return new WeakReference<>(loader);
            }
        }
    }

    /**
     * An initialiser that such an error ends never runs again. The JDK's class loader has initialisers too, which
     * loading any class of a jar may meet on the caller's stack: this class path has folders alone.
     */
    @ParameterizedTest
    @ValueSource(strings = {"stack", "heap"})
    void aDeviceOpensAfterAnErrorOfTheVm(String shortage) throws Exception {
        ForkedJvm jvm = ForkedJvm.java(List.of(
                ALLOWED,
                shortage.equals("heap") ? "-Xmx24m" : "-Xmx256m",
                "-XX:+UseSerialGC",
                "-classpath",
                ForkedJvm.testClasses() + File.pathSeparator + Path.of("target", "classes"),
                OpenUnderPressure.class.getName(),
                shortage));
        String error = shortage.equals("stack") ? "StackOverflowError" : "OutOfMemoryError";
        assertThat(jvm.out()).as(jvm.err()).startsWith("[" + error + "], then " + DEFAULT + " 1");
    }

    @Test
    void anInterruptStaysSet() throws Exception {
        try (URLClassLoader loader = newLoader()) {
            Thread.currentThread().interrupt();
            assertThat(openIn(loader)).startsWith(DEFAULT + " 1");
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @Test
    void propertiesThatMayNotBeReadAreNamed() throws Exception {
        Properties before = System.getProperties();
        try (URLClassLoader loader = newLoader()) {
            System.setProperties(new Properties(before) {
                private static final long serialVersionUID = 1L;

                @Override
                public String getProperty(String key) {
                    if (key.startsWith("mlx.")) {
                        throw new SecurityException("no access to " + key);
                    }
                    return super.getProperty(key);
                }
            });
            assertThat(openIn(loader))
                    .startsWith("NativeLibraryException: loading the native library is not permitted")
                    .contains("no access to mlx.shim.path", "Grant");
            System.setProperties(before);
            assertThat(openIn(loader)).startsWith(DEFAULT + " 1");
        } finally {
            System.setProperties(before);
        }
    }

    @Test
    void aPlatformWithoutALibraryIsToldWhatWasTried() throws Exception {
        assertThat(openInNewLoader("os.arch", "riscv64"))
                .startsWith("NativeLibraryException: this jar has no native library for")
                .contains("-riscv64", "tried /META-INF/native/", "-Dmlx.shim.path=<file>");
    }

    @Test
    void theBackendPropertyDecides() throws Exception {
        assertThat(openInNewLoader("mlx.backend", "HOST")).startsWith("HOST");
        for (String unknown : List.of("cuda", "")) {
            assertThat(openInNewLoader("mlx.backend", unknown))
                    .startsWith("NativeLibraryException: -Dmlx.backend=" + unknown + " names no backend")
                    .contains("'metal' or 'host'");
        }
        if (!System.getProperty("os.name").startsWith("Mac")) {
            assertThat(openInNewLoader("mlx.backend", "metal"))
                    .startsWith("DeviceNotFoundException: there is no METAL device");
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
        assertThat(loadAsMac("return 0;")).startsWith("METAL");
        assertThat(loadAsMac("return 2;")).startsWith("HOST");
        assertThat(loadAsMac("return 0;", "-Dmlx.backend=host")).startsWith("HOST");
    }

    private String loadAsMac(String openDevice, String... options) throws Exception {
        String mac = "macos-" + Platform.current().arch();
        Path jar = Files.createDirectories(folder.resolve("jar/META-INF/native"));
        Path metal = compile("metal", stubs("mlxshim_backend_kind", "mlxshim_device_open") + """
                        int mlxshim_backend_kind(void) { return 1; }
                        int mlxshim_device_open(void **device) { %s }
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
        all.add(LoadLibrary.class.getName());
        ForkedJvm jvm = ForkedJvm.java(all);
        return jvm.out() + jvm.err();
    }

    /** The main class of a forked JVM: loads the library and opens no device, which a stub could not serve. */
    static final class LoadLibrary {
        private LoadLibrary() {}

        public static void main(String[] arguments) {
            System.out.println(NativeLibrary.load(null));
        }
    }

    @Test
    void aClassLoaderHasOneBackend() {
        Backend loaded = NativeLibrary.load(null);
        Backend other = loaded == Backend.HOST ? Backend.METAL : Backend.HOST;
        String cure = Platform.current().os().equals("macos") ? "-Dmlx.backend=" : "only macOS has one";
        assertThatExceptionOfType(DeviceNotFoundException.class)
                .isThrownBy(() -> MlxDevice.open(other))
                .withMessageContainingAll("no " + other, cure)
                // Another thread loads the library, or finds it loaded; the caller's trace is that of this thread.
                .satisfies(e -> assertThat(e.getStackTrace())
                        .extracting(StackTraceElement::getClassName)
                        .contains(NativeLibraryTest.class.getName()));
        try (MlxDevice device = MlxDevice.open(loaded)) {
            assertThat(device.backend()).isEqualTo(loaded);
        }
    }
}
