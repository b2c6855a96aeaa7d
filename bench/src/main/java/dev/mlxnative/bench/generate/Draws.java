package dev.mlxnative.bench.generate;

import java.util.SplittableRandom;

/** Random numbers of the distributions that the models need. */
final class Draws {

    private Draws() {}

    /** An integer from {@code least} to {@code most} whose logarithm is distributed evenly: small ones are common. */
    static int logarithmic(SplittableRandom random, int least, int most) {
        double exponent = random.nextDouble() * Math.log((most + 1.0) / least);
        return Math.min(most, (int) (least * Math.exp(exponent)));
    }

    /** A multiple of {@code step} from {@code least} to {@code most}. */
    static int multiple(SplittableRandom random, int least, int most, int step) {
        return least + step * random.nextInt((most - least) / step + 1);
    }

    /** Distributes {@code choices} over some bins, of which the first are likelier, and returns the size of each. */
    static int[] distribute(SplittableRandom random, int choices, int bins) {
        int[] counts = new int[bins];
        for (int i = 0; i < choices; i++) {
            counts[Math.min(random.nextInt(bins), random.nextInt(bins))]++;
        }
        return counts;
    }
}
