package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import jdk.jfr.Configuration;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The events of compute in a recording of Java Flight Recorder. */
@Tag("contract")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class ComputeEventsTest {
    private static final Set<String> EVENTS = Set.of("dev.mlxnative.Compiled", "dev.mlxnative.CommandBufferCompleted");

    @TempDir
    Path folder;

    private static void work() throws InterruptedException {
        try (MlxDevice device = MlxDevice.open();
                MlxLibrary library = device.compile(Kernels.SOURCE);
                MlxKernel increment = library.kernel("increment");
                MlxCommandQueue queue = device.newCommandQueue();
                MlxBuffer values = device.allocBuffer(DType.I32, 16)) {
            MlxCommandBuffer commands = queue.newCommandBuffer("step");
            commands.kernel(increment).buffer(0, values).dispatchThreads(16);
            commands.commit();
            commands.await();
        }
    }

    private List<RecordedEvent> record(Recording recording) throws Exception {
        recording.start();
        work();
        recording.stop();
        Path file = folder.resolve("compute.jfr");
        recording.dump(file);
        return RecordingFile.readAllEvents(file).stream()
                .filter(event -> EVENTS.contains(event.getEventType().getName()))
                .toList();
    }

    @Test
    void theProfileRecordsCompilationsAndCommandBuffers() throws Exception {
        Configuration profile = Configuration.create(Path.of("src", "main", "resources", "META-INF", "mlx-native.jfc"));
        try (Recording recording = new Recording(profile)) {
            List<RecordedEvent> events = record(recording);
            List<RecordedEvent> compilations = events.stream()
                    .filter(event -> event.getEventType().getName().equals("dev.mlxnative.Compiled"))
                    .toList();
            assertThat(compilations)
                    .extracting(event -> event.getString("kernel"))
                    .containsExactly("", "increment");
            assertThat(compilations.getFirst().getDuration()).isPositive();
            RecordedEvent completed = events.getLast();
            assertThat(completed.getEventType().getName()).isEqualTo("dev.mlxnative.CommandBufferCompleted");
            assertThat(completed.getString("label")).isEqualTo("step");
            assertThat(completed.getString("kernels")).isEqualTo("increment");
            assertThat(completed.getLong("gpuEnd")).isGreaterThan(completed.getLong("gpuStart"));
        }
    }

    @Test
    void nothingIsRecordedByDefault() throws Exception {
        try (Recording recording = new Recording()) {
            assertThat(record(recording)).isEmpty();
        }
    }
}
