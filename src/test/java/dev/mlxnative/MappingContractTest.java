package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.mlxnative.internal.shim.Shim;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The contract of mapped files, for every library that {@code mlx.shim.path} can name. */
@Tag("contract")
class MappingContractTest {
    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();
    private final long page = device.nativeDevice().traits().pageSize();

    @TempDir
    Path folder;

    @AfterEach
    void allMemoryIsFreed() {
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    private Path file(long bytes) throws IOException {
        byte[] content = new byte[Math.toIntExact(bytes)];
        new Random(bytes).nextBytes(content);
        return Files.write(folder.resolve("weights-" + bytes), content);
    }

    @Test
    void showsTheFileFromAnyOffset() throws Exception {
        Path file = file(3 * page + 17);
        byte[] content = Files.readAllBytes(file);
        for (long offset : new long[] {0, 1, 8, page - 1, page, page + 1, 2 * page + 333, 3 * page + 16}) {
            long length = content.length - offset;
            try (MlxBuffer buffer = device.map(file, offset, DType.U8, length)) {
                assertThat(buffer.byteLength()).isEqualTo(length);
                assertThat(buffer.capacity()).isGreaterThanOrEqualTo(length);
                assertThat(buffer.handleOffset()).isEqualTo(offset % page);
                byte[] mapped = buffer.segment().toArray(JAVA_BYTE);
                for (int i = 0; i < mapped.length; i++) {
                    assertThat(mapped[i]).isEqualTo(content[(int) offset + i]);
                }
                assertThat(buffer.slice(length - 1, DType.U8).handleOffset()).isEqualTo(offset % page + length - 1);
                assertSameThroughTheHandle(buffer, mapped);
            }
        }
    }

    /** Skips the test on a device that copies mapped files: it would copy gigabytes. */
    private void assumeThatPagesAreShared() throws IOException {
        try (MlxBuffer buffer = device.map(file(1), 0, DType.U8)) {
            assumeFalse(buffer.isCopy(), "this device cannot share pages");
        }
    }

    /** Asserts the bytes that a GPU finds at the offset of the handle. */
    private static void assertSameThroughTheHandle(MlxBuffer buffer, byte[] expected) {
        MemorySegment contents = Shim.contents(buffer.handle()).reinterpret(buffer.handleOffset() + expected.length);
        assertThat(contents.asSlice(buffer.handleOffset()).toArray(JAVA_BYTE)).isEqualTo(expected);
    }

    @Test
    void isReadOnly() throws Exception {
        try (MlxBuffer buffer = device.map(file(100), 0, DType.U8, 100)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> buffer.segment().set(JAVA_BYTE, 0, (byte) 1));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> buffer.slice(0, DType.U8, 4).segment().fill((byte) 1));
        }
    }

    @Test
    void survivesTheDeletionOfTheFile() throws Exception {
        Path file = Files.write(folder.resolve("short"), "weights".getBytes(StandardCharsets.UTF_8));
        MlxBuffer buffer = device.map(file, 0, DType.U8, 7);
        Files.delete(file);
        assertThat(buffer.segment().toArray(JAVA_BYTE))
                .asString(StandardCharsets.UTF_8)
                .isEqualTo("weights");
        MemorySegment segment = buffer.segment();
        buffer.close();
        assertThatIllegalStateException().isThrownBy(() -> segment.get(JAVA_BYTE, 0));
        assertThatIllegalStateException().isThrownBy(buffer::handleOffset);
    }

    @Test
    void asksForBytesThatTheFileHas() throws Exception {
        Path file = file(2 * page);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> device.map(file, page, DType.U8, page + 1))
                .withMessageContainingAll("offset " + page, 2 * page + " bytes of");
        for (long offset : new long[] {-1, -page, 2 * page, 4 * page, Long.MAX_VALUE, Long.MIN_VALUE}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> device.map(file, offset, DType.U8, 1))
                    .withMessageContaining("offset " + offset);
        }
        assertThatIllegalArgumentException().isThrownBy(() -> device.map(file, 0, DType.F32, 1L << 40, 1L << 40));
        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> device.map(folder.resolve("nothing"), 0, DType.U8, 1))
                .withMessageContaining("nothing");
        Path empty = Files.createFile(folder.resolve("empty"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> device.map(empty, 0, DType.U8, 1))
                .withMessageContainingAll("1 bytes at offset 0", "the 0 bytes of " + empty);
    }

    private void assertRefused(Path path, String reason) {
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> device.map(path, 0, DType.U8, 1))
                .withMessageContainingAll(path.toString(), reason);
    }

    @Test
    void ofADirectoryIsRefused() {
        assertRefused(folder, folder + " is a directory");
    }

    /** Opening a pipe would wait for a writer. */
    @Test
    @Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void ofWhatIsNoFileIsRefusedAtOnce() throws Exception {
        Path pipe = folder.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        assertRefused(pipe, "is a pipe, a socket or a device");
        assertRefused(Files.createSymbolicLink(folder.resolve("link"), pipe), "is a pipe, a socket or a device");
        assertRefused(Path.of("/dev/zero"), "is a pipe, a socket or a device");
        Path socket = folder.resolve("socket");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            assertRefused(socket, "is a pipe, a socket or a device");
        }
    }

    @Test
    void ofAFileInAnArchiveIsRefused() throws Exception {
        Path archive = folder.resolve("model.zip");
        try (FileSystem files = FileSystems.newFileSystem(archive, Map.of("create", "true"))) {
            Path file = Files.write(files.getPath("/weights"), new byte[5000]);
            assertRefused(
                    file, archive.toUri() + "!/weights is in a file system of the provider 'jar', which maps no files");
            assertRefused(files.getPath("/"), "/ is a directory");
            device.map(file, 8, DType.F32, 0).close();
        }
    }

    @Test
    void ofAnEmptyTensorHasNoBytes() throws Exception {
        Path file = file(2 * page);
        for (long offset : new long[] {0, 8, page, 2 * page - 1, 2 * page}) {
            try (MlxBuffer buffer = device.map(file, offset, DType.F32, 0, 128)) {
                assertThat(buffer.shape()).containsExactly(0, 128);
                assertThat(buffer.elementCount()).isZero();
                assertThat(buffer.byteLength()).isZero();
                assertThat(buffer.segment().byteSize()).isZero();
                assertThat(buffer.segment().isReadOnly()).isTrue();
                assertThat(buffer.handle().address()).isNotZero();
                assertThat(buffer.handleOffset()).isZero();
                assertThat(buffer.capacity()).isEqualTo(1);
                assertThat(buffer.isCopy()).isFalse();
                assertThat(buffer.slice(0, DType.U8, 0).byteLength()).isZero();
            }
        }
        device.map(Files.createFile(folder.resolve("empty")), 0, DType.U8, 0).close();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> device.map(file, 2 * page + 1, DType.F32, 0))
                .withMessageContaining("offset " + (2 * page + 1));
        try (MlxBuffer whole = device.map(file, 0, DType.U8, 2 * page)) {
            MlxBuffer atTheEnd = whole.slice(2 * page, DType.F32, 0);
            assertThat(atTheEnd.handle().address()).isNotZero();
            assertThat(atTheEnd.handleOffset()).isZero();
        }
    }

    /** The mappings of a file in this process; -1 on a system without {@code /proc}. */
    private static long mappingsOf(Path file) throws IOException {
        Path maps = Path.of("/proc/self/maps");
        if (!Files.exists(maps)) {
            return -1;
        }
        try (Stream<String> lines = Files.lines(maps)) {
            return lines.filter(line -> line.contains(file.toString())).count();
        }
    }

    private static void assertMappingsOf(Path file, long count) throws IOException {
        assertThat(mappingsOf(file)).isIn(-1L, count);
    }

    @Test
    void ofManyTensorsOfAFileIsOne() throws Exception {
        int tensors = 1000;
        Path file = file(tensors * 100L);
        Path link = Files.createSymbolicLink(folder.resolve("link"), file);
        byte[] content = Files.readAllBytes(file);
        List<MlxBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < tensors; i++) {
            buffers.add(device.map(i % 2 == 0 ? file : link, i * 100L, DType.U8, 100));
        }
        assertMappingsOf(file, 1);
        long start = buffers.getFirst().segment().address();
        Collections.shuffle(buffers, new Random(1));
        while (!buffers.isEmpty()) {
            MlxBuffer buffer = buffers.removeLast();
            int offset = Math.toIntExact(buffer.segment().address() - start);
            assertThat(buffer.segment().toArray(JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(content, offset, offset + 100));
            MemorySegment segment = buffer.segment();
            buffer.close();
            assertThatIllegalStateException().isThrownBy(() -> segment.get(JAVA_BYTE, 0));
        }
        assertMappingsOf(file, 0);
        device.map(file, 5, DType.U8, 100).close();
        assertMappingsOf(file, 0);
    }

    @Test
    void byManyThreadsEndsWithTheLastTensor() throws Exception {
        Path file = file(10 * page);
        byte[] content = Files.readAllBytes(file);
        List<Future<?>> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            int offset = Math.toIntExact(i * page + i);
            threads.add(Async.start(() -> {
                for (int round = 0; round < 500; round++) {
                    try (MlxBuffer buffer = device.map(file, offset, DType.U8, 10)) {
                        assertThat(buffer.segment().toArray(JAVA_BYTE))
                                .isEqualTo(Arrays.copyOfRange(content, offset, offset + 10));
                    }
                }
                return content;
            }));
        }
        for (Future<?> thread : threads) {
            thread.get();
        }
        assertMappingsOf(file, 0);
    }

    @Test
    void ofAFileThatChangesShowsItAsItIs() throws Exception {
        Path file = Files.writeString(folder.resolve("weights"), "old");
        try (MlxBuffer old = device.map(file, 0, DType.U8, 3)) {
            Files.writeString(file, " and more", StandardOpenOption.APPEND);
            try (MlxBuffer more = device.map(file, 4, DType.U8, 8)) {
                assertThat(text(old)).isEqualTo("old");
                assertThat(text(more)).isEqualTo("and more");
            }
            Files.move(
                    Files.writeString(folder.resolve("replacement"), "new weights!"),
                    file,
                    StandardCopyOption.REPLACE_EXISTING);
            try (MlxBuffer replaced = device.map(file, 0, DType.U8, 3)) {
                assertThat(text(old)).isEqualTo("old");
                assertThat(text(replaced)).isEqualTo("new");
            }
        }
    }

    @Test
    void ofATruncatedFileThrowsInJavaAndCanBeClosed() throws Exception {
        Path file = file(16 * page);
        MlxBuffer buffer = device.map(file, page, DType.U8, 15 * page);
        MlxBuffer start = device.map(file, 0, DType.U8, page);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(page);
        }
        assertThatExceptionOfType(InternalError.class)
                .isThrownBy(() -> buffer.segment().toArray(JAVA_BYTE));
        assertThatExceptionOfType(InternalError.class)
                .isThrownBy(() -> buffer.segment().get(JAVA_BYTE, 3 * page));
        assertThat(start.segment().toArray(JAVA_BYTE)).isEqualTo(Files.readAllBytes(file));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> device.map(file, page, DType.U8, 1))
                .withMessageContaining("the " + page + " bytes of " + file);
        buffer.close();
        start.close();
        assertMappingsOf(file, 0);
    }

    /** The JVM would end if it found no memory mapping left. */
    @Test
    void ofTooManyFilesIsRefusedBeforeTheSystemDoes() throws Exception {
        assumeTrue(Files.exists(Path.of("/proc/sys/vm/max_map_count")), "this system does not limit memory mappings");
        List<String> options = new ArrayList<>(ForkedJvm.sameLibrary());
        options.add("--enable-native-access=ALL-UNNAMED");
        ForkedJvm jvm = ForkedJvm.run(options, MapsManyFiles.class, file(1).toString());
        assertThat(jvm.err()).isEmpty();
        assertThat(jvm.out())
                .contains("vm.max_map_count allows", "are kept for the JVM")
                .endsWith("goes on" + System.lineSeparator());
        assertThat(jvm.exitStatus()).isZero();
    }

    /** A mapping costs address space only: the resident memory does not grow until a page is read. */
    @Test
    void ofSixGigabytesTakesNoMemory() throws Exception {
        assumeThatPagesAreShared();
        long bytes = 6L << 30;
        Path file = sparse("six", bytes);
        write(file, bytes - 8, "the end.");
        try (MlxBuffer buffer = device.map(file, 3, DType.U8, bytes - 3)) {
            assertThat(ResidentMemory.bytes()).isLessThan(1L << 31);
            assertThat(text(buffer.slice(bytes - 11, DType.U8, 8))).isEqualTo("the end.");
        }
    }

    @Test
    void aboveTheLargestBufferHasHandlesForItsSlices() throws Exception {
        assumeThatPagesAreShared();
        long largest = device.info().maxBufferLength();
        long bytes = largest + largest / 2 + 12345;
        Path file = sparse("large", bytes);
        long[] offsets = {5, largest - 4, largest + 7, bytes - 9};
        for (long offset : offsets) {
            write(file, offset, "tensor " + offset % 10);
        }
        try (MlxBuffer buffer = device.map(file, 1, DType.U8, bytes - 1)) {
            assertThat(buffer.byteLength()).isEqualTo(bytes - 1);
            assertThatIllegalStateException()
                    .isThrownBy(buffer::handle)
                    .withMessageContainingAll("" + (bytes - 1), "take the handle of a slice");
            for (long offset : offsets) {
                MlxBuffer slice = buffer.slice(offset - 1, DType.U8, 8);
                assertThat(text(slice)).isEqualTo("tensor " + offset % 10);
                assertSameThroughTheHandle(slice, slice.segment().toArray(JAVA_BYTE));
                assertThat(slice.handle()).isEqualTo(slice.handle());
            }
        }
    }

    private Path sparse(String name, long bytes) throws IOException {
        Path path = folder.resolve(name);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
        }
        return path;
    }

    private static void write(Path path, long offset, String text) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.seek(offset);
            file.write(text.getBytes(StandardCharsets.UTF_8));
        }
    }

    private static String text(MlxBuffer buffer) {
        return new String(buffer.segment().toArray(JAVA_BYTE), StandardCharsets.UTF_8);
    }

    /** The safetensors format of models is a length, a header in JSON, and the tensors one after another. */
    @Test
    void readsEveryTensorOfASafetensorsFile() throws Exception {
        Map<String, byte[]> tensors = new LinkedHashMap<>();
        StringBuilder header = new StringBuilder("{");
        Random random = new Random(7);
        int end = 0;
        for (DType dtype : DType.values()) {
            byte[] content = new byte[dtype.byteSize() * (dtype.ordinal() + 1) * 1001];
            random.nextBytes(content);
            tensors.put("layer." + dtype, content);
            header.append("%s\"layer.%s\":{\"dtype\":\"%s\",\"shape\":[%d,1001],\"data_offsets\":[%d,%d]}"
                    .formatted(
                            end == 0 ? "" : ",", dtype, dtype.name(), dtype.ordinal() + 1, end, end + content.length));
            end += content.length;
        }
        byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(8 + json.length + end).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(json.length).put(json);
        tensors.values().forEach(file::put);
        Path path = Files.write(folder.resolve("model.safetensors"), file.array());

        long headerLength;
        try (MlxBuffer length = device.map(path, 0, DType.U64)) {
            headerLength = length.segment().get(java.lang.foreign.ValueLayout.JAVA_LONG, 0);
        }
        JsonNode read;
        try (MlxBuffer text = device.map(path, 8, DType.U8, headerLength)) {
            read = JsonMapper.shared().readTree(text.segment().toArray(JAVA_BYTE));
        }
        assertThat(read.properties()).hasSize(DType.values().length);
        for (Map.Entry<String, JsonNode> entry : read.properties()) {
            JsonNode tensor = entry.getValue();
            DType dtype = DType.fromSafetensors(tensor.get("dtype").asString());
            long[] shape = {
                tensor.get("shape").get(0).asLong(), tensor.get("shape").get(1).asLong()
            };
            long offset = 8 + headerLength + tensor.get("data_offsets").get(0).asLong();
            try (MlxBuffer buffer = device.map(path, offset, dtype, shape)) {
                assertThat(buffer.shape()).isEqualTo(shape);
                assertThat(buffer.segment().toArray(JAVA_BYTE)).isEqualTo(tensors.get(entry.getKey()));
                assertThat(buffer.handleOffset()).isEqualTo(offset % page);
                assertSameThroughTheHandle(buffer, tensors.get(entry.getKey()));
            }
        }
    }
}
