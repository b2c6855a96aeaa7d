package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import jdk.jfr.Recording;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The class loader of a web application, with the library in it, is unloaded after the application has ended. */
class ClassLoaderTest {
    @TempDir
    private Path folder;

    /** A server that runs the application once, in a JVM of its own. */
    static final class Server {
        public static void main(String[] arguments) throws Exception {
            Path folder = Path.of(arguments[0]);
            List<String> options = List.of(arguments);
            WeakReference<ClassLoader> loader;
            try (var recording = new Recording()) {
                if (options.contains("recorded")) {
                    recording.enable("dev.mlxnative.BufferAllocated");
                    recording.start();
                }
                loader = run(folder, options.contains("closes"));
            }
            Unreachable.await("the class loader", loader);
            Async.await(() -> !isLibraryMapped(), () -> "the native library is still mapped");
            System.out.print("unloaded");
        }

        private static WeakReference<ClassLoader> run(Path folder, boolean closes) throws Exception {
            URL[] urls = {location(MlxDevice.class), location(WebApplication.class)};
            ClassLoader platform = ClassLoader.getPlatformClassLoader();
            try (URLClassLoader loader = new URLClassLoader("application", urls, platform)) {
                Class<?> application = loader.loadClass(WebApplication.class.getName());
                var instance = (Callable<?>)
                        application.getConstructor(Path.class, boolean.class).newInstance(folder, closes);
                instance.call();
                if (Files.exists(MAPPINGS) && !isLibraryMapped()) {
                    throw new AssertionError("the native library is not mapped");
                }
                return new WeakReference<>(loader);
            }
        }

        private static URL location(Class<?> type) {
            return type.getProtectionDomain().getCodeSource().getLocation();
        }

        private static final Path MAPPINGS = Path.of("/proc/self/maps");

        /** Whether this process has mapped the native library; false if the system does not tell. */
        private static boolean isLibraryMapped() {
            if (!Files.exists(MAPPINGS)) {
                return false;
            }
            try (Stream<String> lines = Files.lines(MAPPINGS)) {
                return lines.anyMatch(line -> line.contains("libmlxshim"));
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
    }

    private void assertUnloaded(String... options) throws Exception {
        String[] arguments =
                Stream.concat(Stream.of(folder.toString()), Stream.of(options)).toArray(String[]::new);
        // The JDK refers softly to the loader of each record whose toString was called.
        List<String> jvm = List.of("--enable-native-access=ALL-UNNAMED", "-XX:SoftRefLRUPolicyMSPerMB=0");
        assertThat(ForkedJvm.run(jvm, Server.class, arguments)).isEqualTo(new ForkedJvm(0, "unloaded", ""));
    }

    @Test
    void aLoaderWhoseApplicationClosesEverythingIsUnloaded() throws Exception {
        assertUnloaded("closes");
    }

    @Test
    void aLoaderWhosePoolIsDroppedIsUnloadedOnceItsMemoryIsFreed() throws Exception {
        assertUnloaded();
    }

    @Test
    void aLoaderWhoseEventsWereRecordedIsUnloaded() throws Exception {
        assertUnloaded("closes", "recorded");
    }
}
