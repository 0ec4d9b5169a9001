(()=>{
"use strict";
const $=(s,r=document)=>[...r.querySelectorAll(s)],id=s=>document.getElementById(s);
const tip=id("tip");
const hide=()=>{tip.style.display="none"};
const show=(x,y,text)=>{
  tip.textContent=text;tip.style.display="block";
  const w=tip.offsetWidth,h=tip.offsetHeight;
  tip.style.left=Math.max(4,Math.min(innerWidth-w-4,x+14))+"px";
  tip.style.top=(y-h-12>4?y-h-12:y+18)+"px";
};
addEventListener("pointermove",e=>{
  const of=e.target.closest?.("[data-t]");
  of?show(e.clientX,e.clientY,of.dataset.t):hide();
});
addEventListener("focusin",e=>{
  const of=e.target.closest?.("[data-t]");
  if(!of)return hide();
  const r=of.getBoundingClientRect();show(r.right,r.top,of.dataset.t);
});
addEventListener("scroll",hide,{passive:true});
addEventListener("keydown",e=>{
  if(e.key==="Escape")return hide();
  const at=e.target.closest?.(".pt");
  const step={ArrowRight:1,ArrowDown:1,ArrowLeft:-1,ArrowUp:-1}[e.key];
  if(!at||!step)return;
  const all=$(".pt",at.ownerSVGElement);
  all[(all.indexOf(at)+step+all.length)%all.length].focus();e.preventDefault();
});
const table=id("cells-table"),ctl=id("ctl");
if(table&&ctl){
  ctl.hidden=false;
  const body=table.tBodies[0],box=id("q"),n=body.rows.length;
  let mode="all";
  const update=()=>{
    const words=box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown=0;
    for(const row of body.rows){
      const text=row.textContent.toLowerCase();
      const ok=(mode==="all"||row.dataset.k.split(" ").includes(mode))&&words.every(w=>text.includes(w));
      row.hidden=!ok;shown+=ok;
    }
    table.classList.toggle("filtered",mode!=="all"||words.length>0);
    id("count").textContent=shown+" of "+n+" configurations";
  };
  box.addEventListener("input",update);
  $("button",ctl).forEach(b=>b.addEventListener("click",()=>{
    mode=b.dataset.m;
    $("button",ctl).forEach(o=>o.setAttribute("aria-pressed",String(o===b)));
    update();
  }));
  $("thead th[data-s]",table).forEach(th=>th.querySelector("button").addEventListener("click",()=>{
    const key=th.dataset.s,up=th.getAttribute("aria-sort")!=="ascending";
    $("thead th",table).forEach(o=>o.removeAttribute("aria-sort"));
    th.setAttribute("aria-sort",up?"ascending":"descending");
    const value=row=>{const v=row.dataset[key];return key==="n"?v:v===""?NaN:+v};
    // Rows without a number stay last, whichever way it is sorted.
    [...body.rows].sort((a,b)=>{
      const x=value(a),y=value(b);
      if(x!==x||y!==y)return (x!==x)-(y!==y)||a.dataset.r-b.dataset.r;
      const order=x<y?-1:x>y?1:a.dataset.r-b.dataset.r;
      return up?order:-order;
    }).forEach(row=>body.append(row));
  }));
}
const copy=id("copy"),cmd=id("cmd");
if(copy&&cmd){
  copy.hidden=false;
  copy.addEventListener("click",()=>{
    const range=document.createRange();range.selectNodeContents(cmd);
    const chosen=getSelection();chosen.removeAllRanges();chosen.addRange(range);
    const said=text=>{copy.textContent=text};
    navigator.clipboard?navigator.clipboard.writeText(cmd.textContent).then(()=>said("Copied"),()=>said("Selected: press Ctrl+C")):said("Selected: press Ctrl+C");
  });
}
})();
