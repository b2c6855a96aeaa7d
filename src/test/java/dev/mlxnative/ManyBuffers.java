package dev.mlxnative;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * The main class of a forked JVM, which Linux would abort if the memory maps of the process ran out. Starts threads
 * whenever most maps are in use, because each needs maps for its stack.
 */
final class ManyBuffers {
    /** Just above the largest buffers that share maps. */
    private static final long LARGE = (1 << 20) + 1;

    private ManyBuffers() {}

    public static void main(String[] arguments) throws Exception {
        try (MlxDevice device = MlxDevice.open(Backend.HOST)) {
            small(device, Integer.parseInt(arguments[0]));
            large(device);
        }
    }

    /** Prints the maps that many small buffers add when every second is released, and the bytes that all leave. */
    private static void small(MlxDevice device, int count) throws Exception {
        long mapsBefore = maps();
        try (MlxBufferPool pool = MlxBufferPool.builder(device)
                .cacheLimit(0)
                .memoryLimit(Long.MAX_VALUE)
                .build()) {
            List<MlxBuffer> buffers = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                buffers.add(pool.alloc(4096, DType.U8));
            }
            for (int i = 0; i < count; i += 2) {
                buffers.get(i).close();
            }
            System.out.println(maps() - mapsBefore);
            startThreads();
            buffers.forEach(MlxBuffer::close);
        }
        System.out.println(device.allocatedBytes());
    }

    /** Prints how many large buffers there can be, why there are no more, and the bytes that they leave. */
    private static void large(MlxDevice device) throws Exception {
        List<MlxBuffer> buffers = new ArrayList<>();
        String refusal = null;
        while (refusal == null) {
            try {
                buffers.add(device.allocBuffer(LARGE, DType.U8));
            } catch (BufferAllocationException e) {
                refusal = e.getMessage();
            }
        }
        System.out.println(buffers.size());
        System.out.println(refusal);
        for (int i = 0; i < buffers.size(); i += 2) {
            buffers.get(i).close();
        }
        startThreads();
        device.allocBuffer(LARGE, DType.U8).close();
        buffers.forEach(MlxBuffer::close);
        System.out.println(device.allocatedBytes());
    }

    private static void startThreads() throws InterruptedException {
        for (int i = 0; i < 100; i++) {
            Thread.ofPlatform().start(() -> {}).join();
        }
    }

    private static long maps() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.count();
        }
    }
}
