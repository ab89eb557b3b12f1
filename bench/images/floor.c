/* The floor: what libjpeg-turbo itself costs, with the cheapest sensible resize between its two
 * halves. The same static library that gristmill links, no allocation in the loop, no checks, no
 * generality: only 4:2:0 and gray JPEG in, 512x512 JPEG out at quality 90, colours at 4:2:0.
 *
 *   floor rgb|planar CASE FOLDER PASSES
 *
 * rgb decodes to interleaved RGB, planar stays in luma and chroma planes. Gray and threshold decode
 * luma alone. A large photo is decoded at 1/2, 1/4 or 1/8 so that at least twice the target is left
 * (case fast: at least the target), as gristmill does. The resize has two taps in each direction when
 * it enlarges; when it shrinks it averages the whole source pixels under each target pixel (a box,
 * cheaper than the triangle of a true bilinear filter). Lanczos has no floor of its own: it is run
 * with the same cheap resize.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <turbojpeg.h>

#define SIDE 512
#define MAX_FILES 1000

static unsigned char *source, *target, *out;
static uint16_t *row;

/* Vertical pass of two taps into 16 bits, then horizontal, for n interleaved channels. */
static void enlarge(const uint8_t *s, int w, int h, uint8_t *d, int dw, int dh, int n)
{
  static int at[2 * SIDE], part[2 * SIDE];
  for (int x = 0; x < dw; x++) {
    double p = (x + 0.5) * w / dw - 0.5;
    p = p < 0 ? 0 : p > w - 1 ? w - 1 : p;
    at[x] = p == w - 1 && w > 1 ? w - 2 : (int)p;
    part[x] = (int)((p - at[x]) * 256 + 0.5);
  }
  for (int y = 0; y < dh; y++) {
    double p = (y + 0.5) * h / dh - 0.5;
    p = p < 0 ? 0 : p > h - 1 ? h - 1 : p;
    int top = p == h - 1 && h > 1 ? h - 2 : (int)p;
    int f = (int)((p - top) * 128 + 0.5);
    const uint8_t *a = s + (size_t)top * w * n, *b = a + (h > 1 ? w * n : 0);
    for (int i = 0; i < w * n; i++) row[i] = a[i] * (128 - f) + b[i] * f;
    uint8_t *o = d + (size_t)y * dw * n;
    if (n == 1) {
      for (int x = 0; x < dw; x++) {
        const uint16_t *q = row + at[x];
        o[x] = (q[0] * (256 - part[x]) + q[1] * part[x] + 16384) >> 15;
      }
    } else {
      for (int x = 0; x < dw; x++) {
        const uint16_t *q = row + at[x] * 3;
        int g = part[x], e = 256 - g;
        o[3 * x] = (q[0] * e + q[3] * g + 16384) >> 15;
        o[3 * x + 1] = (q[1] * e + q[4] * g + 16384) >> 15;
        o[3 * x + 2] = (q[2] * e + q[5] * g + 16384) >> 15;
      }
    }
  }
}

/* Average of the whole pixels under each target pixel. */
static void shrink(const uint8_t *s, int w, int h, uint8_t *d, int dw, int dh, int n)
{
  for (int y = 0; y < dh; y++) {
    int top = y * h / dh, bottom = (y + 1) * h / dh;
    memset(row, 0, sizeof(*row) * w * n);
    for (int v = top; v < bottom; v++) {
      const uint8_t *a = s + (size_t)v * w * n;
      for (int i = 0; i < w * n; i++) row[i] += a[i];
    }
    uint8_t *o = d + (size_t)y * dw * n;
    for (int x = 0; x < dw; x++) {
      int left = x * w / dw, right = (x + 1) * w / dw;
      int count = (right - left) * (bottom - top);
      for (int c = 0; c < n; c++) {
        int sum = count / 2;
        for (int u = left; u < right; u++) sum += row[u * n + c];
        o[x * n + c] = sum / count;
      }
    }
  }
}

static void resize(const uint8_t *s, int w, int h, uint8_t *d, int dw, int dh, int n)
{
  if (w >= dw && h >= dh) shrink(s, w, h, d, dw, dh, n);
  else enlarge(s, w, h, d, dw, dh, n);
}

static size_t one(tjhandle in, tjhandle to, const uint8_t *data, size_t length, const char *how,
                  const char *what)
{
  int gray = !strcmp(what, "gray") || !strcmp(what, "threshold");
  double margin = strcmp(what, "fast") ? 2 : 1;
  tjscalingfactor scale = { 1, 1 };
  tj3DecompressHeader(in, data, length);
  int w = tj3Get(in, TJPARAM_JPEGWIDTH), h = tj3Get(in, TJPARAM_JPEGHEIGHT);
  double most = (w < h ? w : h) / (double)SIDE / margin;
  scale.denom = most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
  tj3SetScalingFactor(in, scale);
  w = TJSCALED(w, scale);
  h = TJSCALED(h, scale);
  size_t written = tj3JPEGBufSize(SIDE, SIDE, TJSAMP_420);
  tj3Set(to, TJPARAM_QUALITY, 90);
  tj3Set(to, TJPARAM_SUBSAMP, gray ? TJSAMP_GRAY : TJSAMP_420);
  if (gray || !strcmp(how, "rgb")) {
    int format = gray ? TJPF_GRAY : TJPF_RGB, n = gray ? 1 : 3;
    tj3Decompress8(in, data, length, source, 0, format);
    resize(source, w, h, target, SIDE, SIDE, n);
    if (!strcmp(what, "threshold"))
      for (int i = 0; i < SIDE * SIDE; i++) target[i] = target[i] > 127 ? 255 : 0;
    tj3Compress8(to, target, SIDE, 0, SIDE, format, &out, &written);
  } else {
    int cw = (w + 1) / 2, ch = (h + 1) / 2, half = SIDE / 2;
    unsigned char *from[3] = { source, source + w * h, source + w * h + cw * ch };
    unsigned char *into[3] = { target, target + SIDE * SIDE, target + SIDE * SIDE + half * half };
    tj3DecompressToYUVPlanes8(in, data, length, from, NULL);
    resize(from[0], w, h, into[0], SIDE, SIDE, 1);
    resize(from[1], cw, ch, into[1], half, half, 1);
    resize(from[2], cw, ch, into[2], half, half, 1);
    tj3CompressFromYUVPlanes8(to, (const unsigned char *const *)into, SIDE, NULL, SIDE, &out,
                              &written);
  }
  return written;
}

static double cpu_ms(void)
{
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
  static uint8_t *data[MAX_FILES];
  static size_t length[MAX_FILES];
  int files = 0, passes = argc == 5 ? atoi(argv[4]) : 0;
  DIR *folder = argc == 5 ? opendir(argv[3]) : NULL;
  if (!folder || passes < 1) return fprintf(stderr, "usage: floor HOW CASE FOLDER PASSES\n"), 2;
  for (struct dirent *e; (e = readdir(folder)) && files < MAX_FILES;) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", argv[3], e->d_name);
    FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
    if (!f) continue;
    fseek(f, 0, SEEK_END);
    length[files] = ftell(f);
    rewind(f);
    data[files] = malloc(length[files]);
    if (fread(data[files], 1, length[files], f) != length[files]) return 1;
    fclose(f);
    files++;
  }
  source = malloc(3 * 4096 * 4096);
  target = malloc(3 * SIDE * SIDE);
  row = malloc(sizeof(*row) * 3 * 8192);
  out = malloc(tj3JPEGBufSize(SIDE, SIDE, TJSAMP_420));
  tjhandle in = tj3Init(TJINIT_DECOMPRESS), to = tj3Init(TJINIT_COMPRESS);
  tj3Set(to, TJPARAM_NOREALLOC, 1);
  size_t written = 0;
  for (int i = 0; i < files; i++) written += one(in, to, data[i], length[i], argv[1], argv[2]);
  double before = cpu_ms();
  for (int p = 0; p < passes; p++)
    for (int i = 0; i < files; i++) one(in, to, data[i], length[i], argv[1], argv[2]);
  printf("{\"ms\": %.4f, \"bytes\": %zu}\n", (cpu_ms() - before) / passes / files, written);
  return 0;
}
