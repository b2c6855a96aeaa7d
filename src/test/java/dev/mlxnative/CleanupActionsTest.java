package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Cleanup actions that FFM code ties to the library's memory, and that throw. */
@Tag("contract")
@ParameterizedClass
@EnumSource(Sizing.class)
class CleanupActionsTest {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final Sizing sizing;
    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();

    CleanupActionsTest(Sizing sizing) {
        this.sizing = sizing;
    }

    @AfterEach
    void allMemoryIsFreed() {
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    private MlxBufferPool pool(boolean checked) {
        return MlxBufferPool.builder(device).sizing(sizing).checked(checked).build();
    }

    private static MlxScope scope(MlxBufferPool pool, boolean confined) {
        return confined ? pool.confinedScope() : pool.scope();
    }

    /** An arena of FFM code for a scope that it has found at a segment: it can tie cleanup actions, and no more. */
    private record Found(MemorySegment.Scope scope) implements Arena {
        @Override
        public MemorySegment allocate(long byteSize, long byteAlignment) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void close() {
            throw new UnsupportedOperationException();
        }
    }

    private static void tie(Arena arena, Runnable action) {
        MemorySegment.ofAddress(4096).reinterpret(16, arena, segment -> action.run());
    }

    private static void tieFailure(Arena arena, String message) {
        tie(arena, () -> {
            throw new IllegalStateException(message);
        });
    }

    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, false", "true, true"})
    void aScopeIsClosedBeforeItThrowsTheFirstException(boolean checked, boolean confined) {
        try (MlxBufferPool pool = pool(checked)) {
            MlxScope scope = scope(pool, confined);
            MlxBuffer buffer = scope.alloc(DType.F32, 1000);
            MemorySegment segment = scope.allocate(100, 1);
            scope.alloc(DType.U8, 10).close();
            tieFailure(scope, "one");
            tieFailure(scope, "other");
            Throwable first = catchThrowable(scope::close);
            // The JDK decides the order of the actions.
            assertThat(first).extracting(Throwable::getMessage).isIn("one", "other");
            assertThat(first.getSuppressed())
                    .singleElement()
                    .extracting(Throwable::getMessage)
                    .isIn("one", "other");
            scope.close();
            assertThat(buffer.isReleased()).isTrue();
            assertThat(segment.scope().isAlive()).isFalse();
            assertThat(scope.toString()).endsWith("closed]");
            assertThat(pool.stats())
                    .returns(0, PoolStats::activeCount)
                    .returns(0, PoolStats::parkedCount)
                    .returns(pool.stats().footprintBytes(), PoolStats::cachedBytes);
            assertThatIllegalStateException()
                    .isThrownBy(() -> scope.alloc(DType.F32, 10))
                    .withMessage("the scope is closed");
            assertThatIllegalStateException().isThrownBy(() -> scope.allocate(10, 1));
            assertThat(pool.stats().requests()).isEqualTo(3);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anErrorOfACleanupActionKeepsItsType(boolean confined) {
        try (MlxBufferPool pool = pool(false)) {
            MlxScope scope = scope(pool, confined);
            scope.alloc(DType.F32, 1000);
            tie(scope, () -> {
                throw new OutOfMemoryError("of the action");
            });
            assertThatThrownBy(scope::close).isInstanceOf(OutOfMemoryError.class);
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(1, PoolStats::cachedCount);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aCleanupActionFindsTheScopeClosed(boolean confined) {
        try (MlxBufferPool pool = pool(false)) {
            MlxScope scope = scope(pool, confined);
            MlxBuffer buffer = scope.alloc(DType.F32, 1000);
            List<Throwable> refused = new ArrayList<>();
            tie(scope, () -> {
                scope.close();
                buffer.close();
                try {
                    scope.alloc(DType.F32, 1000);
                } catch (IllegalStateException e) {
                    refused.add(e);
                }
            });
            scope.close();
            assertThat(refused).singleElement().satisfies(e -> assertThat(e).hasMessage("the scope is closed"));
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(1, PoolStats::cachedCount);
        }
    }

    @Test
    void aLeaseOfACheckedPoolEndsAndTheFailureIsLogged() {
        try (MlxBufferPool pool = pool(true)) {
            MlxBuffer closed = pool.alloc(DType.F32, 1000);
            MlxBuffer released = pool.alloc(DType.F32, 1000);
            MlxBuffer reset = pool.alloc(DType.F32, 1000);
            for (MlxBuffer buffer : List.of(closed, released, reset)) {
                tieFailure(new Found(buffer.segment().scope()), "mine");
            }
            closed.close();
            pool.release(released);
            assertThatIllegalStateException().isThrownBy(() -> pool.release(released));
            pool.reset();
            PoolStats stats = pool.stats();
            assertThat(stats)
                    .returns(0, PoolStats::activeCount)
                    .returns(0, PoolStats::parkedCount)
                    .returns(stats.footprintBytes(), PoolStats::cachedBytes);
            assertThat(stats.cachedBytes()).isGreaterThanOrEqualTo(3 * 4000);
            assertThat(log.with("a cleanup action failed")).hasSize(3);
            assertThat(log.origins()).extracting(Throwable::getMessage).containsOnly("mine");
        }
    }

    @Test
    void memoryThatACleanupActionIsTiedToIsFreed(@TempDir Path folder) throws IOException {
        Path file = Files.write(folder.resolve("weights"), new byte[100]);
        long page = device.nativeDevice().traits().pageSize();
        try (Arena pages = Arena.ofConfined()) {
            List<MlxBuffer> buffers = List.of(
                    device.allocBuffer(DType.F32, 1000),
                    device.map(file, 0, DType.U8, 100),
                    device.wrap(pages.allocate(page, page), DType.U8, 100));
            for (MlxBuffer buffer : buffers) {
                tieFailure(new Found(buffer.handle().scope()), "mine");
                buffer.close();
                assertThat(buffer.isReleased()).isTrue();
            }
            assertThat(log.with("a cleanup action failed")).hasSize(3);
        }
        AllocatedBytes.assertBackTo(device, bytesBefore);
    }

    @Test
    void memoryOfAPoolThatACleanupActionIsTiedToIsFreed() {
        MlxBufferPool pool = pool(false);
        MlxBuffer buffer = pool.alloc(DType.F32, 1000);
        tieFailure(new Found(buffer.segment().scope()), "mine");
        buffer.close();
        pool.close();
        AllocatedBytes.assertBackTo(device, bytesBefore);
        assertThat(log.with("a cleanup action failed")).hasSize(1);
    }
}
