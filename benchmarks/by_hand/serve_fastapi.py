"""A page to draw on that classifies with the network of train_cnn.py.

MODEL=model.pt uvicorn serve_fastapi:app --port 8000
"""

import io
import os

import torch
from fastapi import FastAPI, UploadFile
from fastapi.responses import HTMLResponse
from train_cnn import network, picture

saved = torch.load(os.environ["MODEL"], weights_only=True)
model = network(len(saved["categories"]))
model.load_state_dict(saved["weights"])
model.eval()
app = FastAPI()


@app.get("/", response_class=HTMLResponse)
def page():
    return """<!doctype html><canvas id="pad" width="256" height="256" style="border: 1px solid">
</canvas><pre id="answer"></pre>
<script>
const pen = pad.getContext("2d");
pen.fillStyle = "white"; pen.fillRect(0, 0, 256, 256); pen.lineWidth = 4;
let down = false;
pad.onpointerdown = e => { down = true; pen.beginPath(); pen.moveTo(e.offsetX, e.offsetY); };
pad.onpointermove = e => { if (down) { pen.lineTo(e.offsetX, e.offsetY); pen.stroke(); } };
pad.onpointerup = () => {
  down = false;
  pad.toBlob(async blob => {
    const body = new FormData(); body.append("file", blob, "drawing.png");
    const response = await fetch("classify", {method: "POST", body});
    answer.textContent = JSON.stringify(await response.json(), null, 1);
  });
};
</script>"""


@app.post("/classify")
async def classify(file: UploadFile):
    image = picture(io.BytesIO(await file.read()))
    with torch.no_grad():
        probabilities = model(image[None]).softmax(1)[0]
    best = probabilities.topk(min(5, len(saved["categories"])))
    return [
        {"category": saved["categories"][i], "probability": float(p)}
        for p, i in zip(best.values, best.indices)
    ]
