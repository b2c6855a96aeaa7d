package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The property {@code mlx.capture}, in JVMs of their own. Where nothing can be recorded, the work is done all the same.
 */
@Tag("contract")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class CaptureContractTest {
    private static final String ALLOWED = "MTL_CAPTURE_ENABLED=1";

    @TempDir
    Path folder;

    /** The main class of the JVM: works with a device while another is open, and then with one alone. */
    static final class Work {
        private Work() {}

        public static void main(String[] arguments) throws InterruptedException {
            try (MlxDevice device = MlxDevice.open()) {
                work(device);
                try (MlxDevice second = MlxDevice.open()) {
                    work(second);
                }
                System.out.println(device.backend());
            }
            MlxDevice.open().close();
        }

        private static void work(MlxDevice device) throws InterruptedException {
            try (MlxBuffer buffer = device.allocBuffer(DType.U8, 1024);
                    MlxCommandQueue queue = device.newCommandQueue()) {
                MlxCommandBuffer commands = queue.newCommandBuffer();
                commands.fill(buffer, (byte) 1);
                commands.commit().await();
            }
        }
    }

    /** Runs the work with the environment; what it wrote to its error output is the log. */
    private static String logOf(List<String> environment, Path trace) throws Exception {
        List<String> prefix = new ArrayList<>(List.of("env"));
        prefix.addAll(environment);
        List<String> arguments = new ArrayList<>(ForkedJvm.sameLibrary());
        arguments.addAll(List.of(
                "-Dmlx.capture=" + trace,
                "--enable-native-access=ALL-UNNAMED",
                "-classpath",
                System.getProperty("java.class.path"),
                Work.class.getName()));
        ForkedJvm jvm = ForkedJvm.behind(prefix, arguments);
        assertThat(jvm.err()).doesNotContain("Exception in thread");
        assertThat(jvm.exitStatus()).isZero();
        assertThat(jvm.out().strip()).isEqualTo(backend().toString());
        return jvm.err();
    }

    private static Backend backend() {
        try (MlxDevice device = MlxDevice.open()) {
            return device.backend();
        }
    }

    @Test
    void metalRecordsOneDeviceAtATimeToTheFile() throws Exception {
        Path trace = folder.resolve("work.gputrace");
        String log = logOf(List.of(ALLOWED), trace);
        if (backend() == Backend.METAL) {
            assertThat(trace).exists();
            // The device that was opened while another was recorded. The last one would record to a file that exists.
            assertThat(log).containsOnlyOnce("a capture runs already");
        } else {
            assertThat(trace).doesNotExist();
            assertThat(log).contains("the GPU's work is not recorded to " + trace, "only Metal captures traces");
        }
    }

    @Test
    void aProcessThatMayNotRecordSaysHow() throws Exception {
        Path trace = folder.resolve("work.gputrace");
        String log = logOf(List.of("-u", "MTL_CAPTURE_ENABLED"), trace);
        assertThat(trace).doesNotExist();
        assertThat(log).contains("the GPU's work is not recorded to " + trace);
        if (backend() == Backend.METAL) {
            assertThat(log).contains(ALLOWED);
        }
    }

    @Test
    void aFileThatCannotBeWrittenIsNamed() throws Exception {
        Path trace = Files.createFile(folder.resolve("file")).resolve("work.gputrace");
        assertThat(logOf(List.of(ALLOWED), trace)).contains("the GPU's work is not recorded to " + trace);
    }
}
