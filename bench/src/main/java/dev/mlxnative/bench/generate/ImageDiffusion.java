package dev.mlxnative.bench.generate;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.SplittableRandom;

/**
 * A model that draws images: some steps of a U-Net on a small latent image, then a decoder to the full size. The size
 * of each image is drawn.
 *
 * <p>The U-Net halves the sides from level to level and then doubles them. Each result on the way down stays live until
 * the way up has reached its level again.
 */
final class ImageDiffusion implements Model {

    private static final int BLOCKS_OF_LEVEL = 2;

    /** The channels of a level of the U-Net, as a multiple of those of the first. */
    private static final int[] CHANNEL_FACTORS = {1, 2, 4, 4};

    /** The channels of a level of the decoder, from the smallest image to the full one. */
    private static final int[] DECODER_CHANNELS = {512, 512, 256, 128};

    private static final int LATENT_CHANNELS = 4;

    /** The texts that a step is computed for: one, and an empty one to compare with. */
    private static final int TEXTS = 2;

    private static final int TEXT_TOKENS = 77;
    private static final int TEXT_WIDTH = 768;

    /**
     * The numbers of a diffusion model.
     *
     * @param leastSide the shortest side of a latent image; a side is a multiple of 8
     * @param mostSide the longest side of a latent image
     * @param channels the channels of the first level
     * @param steps the steps for an image
     */
    record Settings(int leastSide, int mostSide, int channels, int steps, int elementBytes) {}

    /** A result of the way down that the way up adds. */
    private record Skip(int tensor, long channels) {}

    private final Tape tape;
    private final Settings settings;
    private final SplittableRandom random;
    private int stepsLeft;
    private int height;
    private int width;
    private int text;
    private int latent;

    ImageDiffusion(Tape tape, Settings settings, SplittableRandom random) {
        this.tape = tape;
        this.settings = settings;
        this.random = random;
    }

    @Override
    public void step() {
        if (stepsLeft == 0) {
            begin();
        }
        denoise();
        if (--stepsLeft == 0) {
            decode();
        }
    }

    private void begin() {
        stepsLeft = settings.steps();
        height = Draws.multiple(random, settings.leastSide(), settings.mostSide(), 8);
        width = Draws.multiple(random, settings.leastSide(), settings.mostSide(), 8);
        text = tape.allocate((long) TEXTS * TEXT_TOKENS * TEXT_WIDTH * settings.elementBytes());
        latent = tape.allocate(bytes(1, 0, LATENT_CHANNELS));
    }

    /** The bytes of images whose sides are halved {@code level} times. */
    private long bytes(int images, int level, long channels) {
        return pixels(level) * images * channels * settings.elementBytes();
    }

    private long pixels(int level) {
        return (long) (height >> level) * (width >> level);
    }

    private void denoise() {
        int both = tape.allocate(bytes(TEXTS, 0, LATENT_CHANNELS));
        int time = tape.allocate(4L * settings.channels() * settings.elementBytes());
        int hidden = tape.allocate(bytes(TEXTS, 0, settings.channels()));
        tape.free(both);
        var skips = new ArrayDeque<Skip>();
        hidden = goDown(hidden, skips);
        int last = CHANNEL_FACTORS.length - 1;
        hidden = timedResidual(hidden, last, channels(last), channels(last));
        hidden = attend(hidden, last);
        hidden = timedResidual(hidden, last, channels(last), channels(last));
        hidden = goUp(hidden, skips);
        tape.free(time);
        int noise = tape.allocate(bytes(TEXTS, 0, LATENT_CHANNELS));
        tape.free(hidden);
        int guided = tape.allocate(bytes(1, 0, LATENT_CHANNELS));
        tape.free(noise);
        int next = tape.allocate(bytes(1, 0, LATENT_CHANNELS));
        tape.free(guided, latent);
        latent = next;
    }

    private long channels(int level) {
        return (long) settings.channels() * CHANNEL_FACTORS[level];
    }

    /** Keeps a copy of each result for the way up. */
    private int goDown(int input, Deque<Skip> skips) {
        int hidden = input;
        long channels = settings.channels();
        for (int level = 0; level < CHANNEL_FACTORS.length; level++) {
            if (level > 0) {
                hidden = convolve(hidden, level, channels);
            }
            for (int block = 0; block < BLOCKS_OF_LEVEL; block++) {
                hidden = timedResidual(hidden, level, channels, channels(level));
                channels = channels(level);
                if (level < CHANNEL_FACTORS.length - 1) {
                    hidden = attend(hidden, level);
                }
                skips.push(new Skip(tape.allocate(bytes(TEXTS, level, channels)), channels));
            }
        }
        return hidden;
    }

    private int goUp(int input, Deque<Skip> skips) {
        int hidden = input;
        long channels = channels(CHANNEL_FACTORS.length - 1);
        for (int level = CHANNEL_FACTORS.length - 1; level >= 0; level--) {
            for (int block = 0; block < BLOCKS_OF_LEVEL; block++) {
                Skip skip = skips.pop();
                long joinedChannels = channels + skip.channels();
                int joined = tape.allocate(bytes(TEXTS, level, joinedChannels));
                tape.free(hidden, skip.tensor());
                hidden = timedResidual(joined, level, joinedChannels, channels(level));
                channels = channels(level);
                if (level < CHANNEL_FACTORS.length - 1) {
                    hidden = attend(hidden, level);
                }
            }
            if (level > 0) {
                hidden = convolve(hidden, level - 1, channels);
            }
        }
        return hidden;
    }

    /** Convolves to another level; frees the input. */
    private int convolve(int input, int level, long channels) {
        int result = tape.allocate(bytes(TEXTS, level, channels));
        tape.free(input);
        return result;
    }

    /** A residual block of the U-Net, which also adds the time of the step. */
    private int timedResidual(int input, int level, long channelsBefore, long channels) {
        tape.scratch(TEXTS * channels * settings.elementBytes());
        return residual(input, TEXTS, level, channelsBefore, channels);
    }

    /** Two convolutions, added to the input, which is freed. */
    private int residual(int input, int images, int level, long channelsBefore, long channels) {
        int normalised = normalise(images, level, channelsBefore);
        int first = tape.allocate(bytes(images, level, channels));
        tape.free(normalised);
        normalised = normalise(images, level, channels);
        tape.free(first);
        int second = tape.allocate(bytes(images, level, channels));
        tape.free(normalised);
        int shortcut = input;
        if (channelsBefore != channels) {
            shortcut = tape.allocate(bytes(images, level, channels));
            tape.free(input);
        }
        int sum = tape.allocate(bytes(images, level, channels));
        tape.free(second, shortcut);
        return sum;
    }

    /** Normalises and activates; the input stays live. */
    private int normalise(int images, int level, long channels) {
        int statistics = tape.allocate(images * 32L * 2 * 4);
        int normalised = tape.allocate(bytes(images, level, channels));
        int active = tape.allocate(bytes(images, level, channels));
        tape.free(statistics, normalised);
        return active;
    }

    /** A layer of a transformer on the pixels, which also attends to the text; frees the input. */
    private int attend(int input, int level) {
        int channels = (int) channels(level);
        long pixels = TEXTS * pixels(level);
        var layer = new Transformer(tape, channels, 4 * channels, 8, 8, settings.elementBytes());
        int residual = input;
        for (int tokens : new int[] {(int) pixels, TEXTS * TEXT_TOKENS}) {
            int normalised = layer.norm(pixels);
            int queries = tape.allocate(layer.hiddenBytes(pixels));
            int keys = tape.allocate(layer.keyBytes(tokens));
            int values = tape.allocate(layer.keyBytes(tokens));
            tape.free(normalised);
            int attended = layer.attention(queries, 1, pixels, tokens, true);
            tape.free(keys, values);
            residual = layer.project(attended, residual, pixels);
        }
        return layer.add(residual, layer.gatedFeedForward(layer.norm(pixels), pixels), pixels);
    }

    /** Decodes the latent image to the full size: each level has twice the sides of the one before. */
    private void decode() {
        tape.free(text);
        int hidden = tape.allocate(bytes(1, 0, DECODER_CHANNELS[0]));
        tape.free(latent);
        long channels = DECODER_CHANNELS[0];
        for (int level = 0; level < DECODER_CHANNELS.length; level++) {
            for (int block = 0; block <= BLOCKS_OF_LEVEL; block++) {
                hidden = residual(hidden, 1, 0, channels, DECODER_CHANNELS[level]);
                channels = DECODER_CHANNELS[level];
            }
            if (level < DECODER_CHANNELS.length - 1) {
                height *= 2;
                width *= 2;
                int larger = tape.allocate(bytes(1, 0, channels));
                tape.free(hidden);
                hidden = larger;
            }
        }
        int image = tape.allocate(bytes(1, 0, 3));
        tape.free(hidden);
        tape.scratch(3 * pixels(0));
        tape.free(image);
    }

    @Override
    public void close() {
        if (stepsLeft > 0) {
            tape.free(text, latent);
        }
    }
}
