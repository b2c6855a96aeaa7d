package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Configuration;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** The events of a pool in a recording of Java Flight Recorder. */
@Tag("contract")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ParameterizedClass
@EnumSource(Sizing.class)
class JfrEventsTest {
    private static final String EVENTS = "dev.mlxnative.";
    private static final List<String> NAMES = List.of(
            "BufferAllocated",
            "BufferReleased",
            "BufferParked",
            "NativeAllocated",
            "Trimmed",
            "AllocationFailed",
            "BufferLeaked");

    @RegisterExtension
    final LogRecords log = new LogRecords();

    @TempDir
    Path folder;

    private final MlxDevice device = MlxDevice.open();
    private final long page;
    private final MlxBufferPool pool;

    JfrEventsTest(Sizing sizing) {
        page = LeastBuffer.bytes(device, sizing);
        pool = MlxBufferPool.builder(device)
                .sizing(sizing)
                .name("watched")
                .waitForParked(Duration.ZERO)
                .leakDetection(LeakDetection.FULL)
                .build();
    }

    @AfterEach
    void close() {
        pool.reset();
        pool.close();
        device.close();
    }

    /** Causes events of every kind. */
    private void causeEveryEvent() throws InterruptedException {
        TestFence fence = new TestFence();
        pool.release(pool.alloc(page, DType.U8), fence);
        pool.alloc(4 * page, DType.U8).close();
        pool.alloc(4 * page - 1, DType.U8).close();
        pool.limits().setMemoryLimit(page);
        assertThatExceptionOfType(BufferAllocationException.class).isThrownBy(() -> pool.alloc(5, DType.U8));
        fence.complete();
        pool.limits().setMemoryLimit(MlxBufferPool.UNLIMITED);
        pool.clear();
        pool.alloc(7, DType.U8);
        while (pool.leakedCount() == 0) {
            System.gc();
            TimeUnit.MILLISECONDS.sleep(5);
        }
        log.await(1, "leak in pool watched: a buffer of 7 bytes");
    }

    private static List<RecordedEvent> named(Iterable<RecordedEvent> events, String name) {
        List<RecordedEvent> found = new ArrayList<>();
        for (RecordedEvent event : events) {
            if (event.getEventType().getName().equals(EVENTS + name)) {
                found.add(event);
            }
        }
        return found;
    }

    @Test
    void tellWhatHappens() throws Exception {
        Queue<RecordedEvent> events = new ConcurrentLinkedQueue<>();
        CountDownLatch leak = new CountDownLatch(1);
        try (RecordingStream stream = new RecordingStream()) {
            NAMES.forEach(name -> stream.enable(EVENTS + name));
            stream.setReuse(false);
            stream.setOrdered(false);
            stream.onEvent(events::add);
            stream.onEvent(EVENTS + "BufferLeaked", event -> leak.countDown());
            stream.startAsync();
            causeEveryEvent();
            assertThat(leak.await(30, TimeUnit.SECONDS)).isTrue();
            stream.stop();
        }
        assertThat(events)
                .allSatisfy(event -> assertThat(event.getString("pool")).isEqualTo("watched"));

        assertThat(named(events, "BufferAllocated"))
                .extracting(
                        event -> event.getLong("requestedBytes"),
                        event -> event.getLong("capacity"),
                        event -> event.getBoolean("hit"))
                .containsExactlyInAnyOrder(
                        tuple(page, page, false),
                        tuple(4 * page, 4 * page, false),
                        tuple(4 * page - 1, 4 * page, true),
                        tuple(7L, 256L, false));
        assertThat(named(events, "BufferReleased"))
                .extracting(event -> event.getLong("requestedBytes"))
                .containsExactlyInAnyOrder(4 * page, 4 * page - 1);
        assertThat(named(events, "BufferParked"))
                .extracting(event -> event.getLong("requestedBytes"), event -> event.getLong("capacity"))
                .containsExactly(tuple(page, page));
        assertThat(named(events, "NativeAllocated"))
                .extracting(event -> event.getLong("capacity"))
                .containsExactlyInAnyOrder(4 * page, page, page);
        assertThat(named(events, "NativeAllocated"))
                .allSatisfy(event -> assertThat(event.getDuration()).isPositive());
        assertThat(named(events, "Trimmed"))
                .extracting(
                        event -> event.getString("cause"),
                        event -> event.getInt("count"),
                        event -> event.getLong("bytes"))
                .containsExactlyInAnyOrder(tuple("a limit", 1, 4 * page), tuple("trim or clear", 1, page));
        assertThat(named(events, "AllocationFailed"))
                .singleElement()
                .returns(5L, event -> event.getLong("requestedBytes"))
                .returns("the memory limit", event -> event.getString("reason"))
                .returns(0L, event -> event.getLong("activeBytes"))
                .returns(0L, event -> event.getLong("cachedBytes"))
                .returns(page, event -> event.getLong("parkedBytes"))
                .returns(page, event -> event.getLong("memoryLimit"));
        assertThat(named(events, "BufferLeaked"))
                .singleElement()
                .returns(1, event -> event.getInt("count"))
                .returns(7L, event -> event.getLong("requestedBytes"));
        assertThat(named(events, "BufferAllocated"))
                .allSatisfy(event -> assertThat(event.getStackTrace().getFrames())
                        .anyMatch(frame -> frame.getMethod().getName().equals("causeEveryEvent")));
    }

    @Test
    void areOffUnlessARecordingAsksForThem() throws Exception {
        assertThat(record(new Recording(Configuration.getConfiguration("profile"))))
                .noneMatch(event -> event.getEventType().getName().startsWith(EVENTS));
    }

    @Test
    void areAllInTheProfile() throws Exception {
        Configuration profile = Configuration.create(Path.of("src", "main", "resources", "META-INF", "mlx-native.jfc"));
        assertThat(record(new Recording(profile)))
                .extracting(event -> event.getEventType().getName())
                .contains(NAMES.stream().map(EVENTS::concat).toArray(String[]::new));
    }

    private List<RecordedEvent> record(Recording recording) throws IOException, InterruptedException {
        Path file = folder.resolve("pool.jfr");
        try (recording) {
            recording.start();
            causeEveryEvent();
            recording.stop();
            recording.dump(file);
        }
        return RecordingFile.readAllEvents(file);
    }
}
