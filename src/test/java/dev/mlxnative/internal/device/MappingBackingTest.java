package dev.mlxnative.internal.device;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.mlxnative.LogRecords;
import dev.mlxnative.NativeFaults;
import dev.mlxnative.internal.shim.NativeLibrary;
import dev.mlxnative.internal.shim.Shim;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * A mapping above the largest buffer of a device that copies: each piece is read from the file when it is requested.
 */
@Tag("faults")
class MappingBackingTest {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    @TempDir
    Path folder;

    private final NativeDevice device = open();
    private final int page = Math.toIntExact(device.traits().pageSize());
    private final FileMappings mappings = new FileMappings(MappingLimit.OF_PROCESS);
    private final Arena access = Arena.ofShared();
    private Path path;
    private byte[] content;
    private MappingBacking backing;

    private static NativeDevice open() {
        NativeLibrary.load(null);
        return NativeDevice.open();
    }

    @BeforeEach
    void mapPartOfAFile() throws Exception {
        content = new byte[7 * page + 5];
        new Random(3).nextBytes(content);
        path = Files.write(folder.resolve("weights"), content);
        MappableFile file = MappableFile.of(path);
        DeviceTraits traits = DeviceTraits.ofMetal(page, 2L * page);
        device.handle().acquire();
        NativeFaults.emptyWrap();
        backing = new MappingBacking(
                device.handle(), traits, access, file, mappings.acquire(file), page, content.length - page);
    }

    @AfterEach
    void nothingIsLeft() {
        access.close();
        backing.release();
        NativeFaults.clear();
        assertThat(NativeFaults.liveBuffers()).isZero();
        device.handle().close();
        assertThat(NativeFaults.liveDevices()).isZero();
    }

    private byte[] bytesOf(BufferObject object) {
        return Shim.contents(object.segment()).reinterpret(object.length()).toArray(JAVA_BYTE);
    }

    @Test
    void copiesThePiecesThatAreRequested() {
        assertThat(backing.isCopy()).isFalse();
        BufferObject second = backing.covering(2L * page + 1, 100);
        assertThat(bytesOf(second)).isEqualTo(Arrays.copyOfRange(content, 3 * page, 5 * page));
        BufferObject last = backing.covering(6L * page + 4, 1);
        assertThat(bytesOf(last)).isEqualTo(Arrays.copyOfRange(content, 7 * page, 7 * page + 5));
        assertThat(backing.covering(content.length - page, 0)).isSameAs(last);
        assertThat(backing.isCopy()).isTrue();
        assertThat(log.with("bytes are copied for the device")).hasSize(1);
    }

    @Test
    void givesAPieceWithoutBytesTheLastPage() {
        BufferObject object = backing.covering(content.length - page, 0);
        assertThat(object.start()).isEqualTo(6L * page);
        assertThat(log.with("bytes are copied for the device")).hasSize(1);
    }

    @Test
    void survivesTheTruncationOfTheFile() throws Exception {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
            channel.truncate(3L * page + 1);
        }
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> backing.covering(2L * page, 1))
                .withMessageContaining("has been truncated to " + (3 * page + 1) + " bytes");
        assertThat(NativeFaults.liveBuffers()).isZero();
        assertThat(backing.isCopy()).isFalse();
        assertThat(bytesOf(backing.covering(0, 1))).isEqualTo(Arrays.copyOfRange(content, page, 3 * page));
        assertThat(log.with("bytes are copied for the device")).hasSize(1);
    }
}
