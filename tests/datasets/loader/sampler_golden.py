"""The sample stream written down a second time, from the descriptions in core/random.h and datasets/loader/sampler.h.

python3 tests/datasets/loader/sampler_golden.py prints the numbers in Sampler.KeepsItsStreamFromVersionToVersion.
"""
MASK = (1 << 64) - 1


def mix_bits(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


class Stream:
    def __init__(self, *key):
        self.state, self.drawn = 0x73746D736D697468, 0
        for part in key:
            self.state = mix_bits(self.state ^ mix_bits(part))

    def bits(self):
        self.drawn += 1
        return mix_bits((self.state + 0x9E3779B97F4A7C15 * (self.drawn - 1)) & MASK)

    def below(self, n):
        return (self.bits() * n) >> 64

    def fork(self, tag):
        return Stream(self.state, tag, 0x666F726B)


def permuted(index, size, key):
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    rounds = [key.bits() for _ in range(6)]
    while True:
        left, right = index >> half, index & ((1 << half) - 1)
        for key_bits in rounds:
            left, right = right, left ^ (mix_bits(right ^ key_bits) & ((1 << half) - 1))
        index = left << half | right
        if index < size:
            return index


def piece_at(lengths, point, segment):
    for track, length in enumerate(lengths):
        if point < length:
            break
        point -= length
    first, last = min(0, length - segment), max(0, length - segment)
    return track, first + point * (last - first + 1) // length


def draw(lengths, seed, epoch, index, samples, segment):
    total = sum(lengths)
    stretch = permuted(index, samples, Stream(seed, epoch).fork(0))
    begin, end = stretch * total // samples, (stretch + 1) * total // samples
    place = Stream(seed, epoch, index).fork(1)
    return piece_at(lengths, begin + place.below(max(1, end - begin)), segment)


print([draw([5000, 900, 150], 5, 1, i, 24, 400) for i in range(8)])
print([Stream(5, 1, i).fork(2).bits() for i in range(3)])
