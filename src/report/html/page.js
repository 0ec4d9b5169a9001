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
const xy=id("xy");
if(xy){
  const {cells,metrics}=JSON.parse(xy.dataset.xy),space=document.querySelector("svg").namespaceURI;
  const across=id("xy-x"),upwards=id("xy-y"),figure=xy.querySelector("figure");
  for(const select of [across,upwards])metrics.forEach((m,i)=>select.add(new Option(m.n,i)));
  // The first two stand in a picture of their own.
  across.value=metrics.length>2?1:0;upwards.value=metrics.length>2?2:1;xy.hidden=false;
  const short=v=>String(+v.toPrecision(3)),unit=m=>m.u?" ("+m.u+")":"";
  const tell=(m,v)=>m.n+" "+short(v[0])+(m.u?" "+m.u:"")+(v.length>1?" ["+short(v[1])+", "+short(v[2])+"]":"");
  // Logarithmic where the largest number is at least eight times the least, as the other figures.
  const scale=(values,from,to)=>{
    let lo=Math.min(...values),hi=Math.max(...values);
    const log=lo>0&&hi/lo>=8,f=v=>log?Math.log(v):v;
    const room=hi>lo?(f(hi)-f(lo))*.05:Math.abs(f(hi))*.05||1,a=f(lo)-room,b=f(hi)+room;
    const at=v=>from+(f(v)-a)/(b-a)*(to-from),ticks=[];
    if(log)for(let d=Math.floor(Math.log10(lo));d<=Math.log10(hi)+1;d++)for(const n of [1,2,5])ticks.push(n*10**d);
    else{
      const raw=(b-a)/6,p=10**Math.floor(Math.log10(raw)),step=[1,2,5,10].find(n=>n*p>=raw)*p;
      for(let n=Math.ceil(a/step);n*step<=b;n++)ticks.push(+(n*step).toPrecision(9));
    }
    return {at,ticks:ticks.filter(v=>f(v)>=a&&f(v)<=b),holds:v=>(!log||v>0)&&f(v)>=a&&f(v)<=b};
  };
  const draw=()=>{
    const X=metrics[across.value],Y=metrics[upwards.value];
    const points=cells.map((c,i)=>({...c,x:X.v[i],y:Y.v[i]})).filter(p=>p.x&&p.y);
    figure.querySelector("svg")?.remove();
    const said=id("xy-c");
    if(points.length<2){said.textContent="Fewer than two configurations have both numbers.";return}
    const ranked=points.filter(p=>!["missed","other"].includes(p.k)),sign=m=>m.b==="max"?-1:1;
    const beats=(a,b)=>{
      const x=sign(X)*(a.x[0]-b.x[0]),y=sign(Y)*(a.y[0]-b.y[0]);
      return x<=0&&y<=0&&(x<0||y<0);
    };
    const front=X.b&&Y.b?ranked.filter(p=>!ranked.some(o=>beats(o,p))).sort((a,b)=>sign(X)*(a.x[0]-b.x[0])):[];
    const names=front.slice(0,4).map(p=>p.n).join(", ")+(front.length>4?` and ${front.length-4} more`:"");
    said.textContent=front.length?"No ranked configuration beats "+names+" in both "+X.n+" and "+Y.n:X.n+" against "+Y.n+", "+points.length+" configurations";
    const wide=innerWidth>720,W=wide?960:360,H=wide?400:300,L=64,R=W-14,T=26,B=H-40;
    const svg=document.createElementNS(space,"svg");
    const put=(name,attributes,text)=>{
      const e=document.createElementNS(space,name);
      for(const k in attributes)e.setAttribute(k,attributes[k]);
      if(text!==undefined)e.textContent=text;
      svg.append(e);return e;
    };
    for(const [k,v] of Object.entries({class:"c",viewBox:`0 0 ${W} ${H}`,role:"group","aria-labelledby":"xy-c"}))svg.setAttribute(k,v);
    const x=scale(points.flatMap(p=>p.x),L,R),y=scale(points.flatMap(p=>p.y),B,T);
    const zone=(x,y,width,height)=>put("rect",{x,y,width,height,fill:"var(--zone)"});
    for(const [bound,upper,gate] of Y.l)if(y.holds(bound)){
      const at=y.at(bound);
      upper?zone(L,T,R-L,at-T):zone(L,at,R-L,B-at);
      put("path",{class:"lim",d:`M${L} ${at}H${R}`});put("text",{class:"w",x:L+6,y:at-5},"gate "+gate);
    }
    for(const [bound,upper,gate] of X.l)if(x.holds(bound)){
      const at=x.at(bound);
      upper?zone(at,T,R-at,B-T):zone(L,T,at-L,B-T);
      put("path",{class:"lim",d:`M${at} ${T}V${B}`});put("text",{class:"w",x:at-5,y:T+12,"text-anchor":"end"},"gate "+gate);
    }
    for(const v of y.ticks){
      put("path",{class:"gr",d:`M${L} ${y.at(v)}H${R}`});
      put("text",{x:L-6,y:y.at(v)+4,"text-anchor":"end"},short(v));
    }
    let last=-1e9;
    for(const v of x.ticks){
      const at=x.at(v),half=short(v).length*3.4;
      put("path",{class:"ax",d:`M${at} ${B}V${B+4}`});
      if(at-half>last+4){put("text",{x:at,y:B+17,"text-anchor":"middle"},short(v));last=at+half}
    }
    put("path",{class:"ax",d:`M${L} ${B}H${R}`});
    put("text",{x:2,y:13},"\u2191 "+Y.n+unit(Y));
    put("text",{x:R,y:H-6,"text-anchor":"end"},X.n+unit(X)+" \u2192");
    if(front.length>1)put("path",{d:front.map((p,i)=>i?`H${x.at(p.x[0])}V${y.at(p.y[0])}`:`M${x.at(p.x[0])} ${y.at(p.y[0])}`).join(""),fill:"none",stroke:"var(--blue)","stroke-width":1.5,"stroke-opacity":.6});
    const matters=p=>p.k==="first"||p.k==="tie"||front.includes(p),crowd=points.length>60;
    for(const p of [...points].sort((a,b)=>matters(a)-matters(b))){
      const cx=x.at(p.x[0]),cy=y.at(p.y[0]),colour=p.k==="missed"?"warm":matters(p)?"blue":"grey";
      if(!crowd||matters(p)){
        let d="";
        if(p.x.length>1)d+=`M${x.at(p.x[1])} ${cy}H${x.at(p.x[2])}`;
        if(p.y.length>1)d+=`M${cx} ${y.at(p.y[1])}V${y.at(p.y[2])}`;
        if(d)put("path",{d,fill:"none",stroke:`var(--${colour})`,"stroke-width":1.6,"stroke-opacity":.45});
      }
      const tip=[p.n,tell(X,p.x),tell(Y,p.y)];
      const dot={cx,cy,r:crowd&&!matters(p)?3.5:5,fill:`var(--${p.k==="first"?colour:"card"})`,stroke:`var(--${colour})`,"stroke-width":2,"data-t":tip.join("\n")};
      if(!crowd||matters(p))Object.assign(dot,{class:"pt",tabindex:0,role:"img","aria-label":tip.join(", ")});
      put("circle",dot);
    }
    // A name that would lie over another is left out: its point still says it.
    const taken=[];
    for(const p of wide?points.filter(matters).sort((a,b)=>(b.k==="first")-(a.k==="first")):[]){
      const cx=x.at(p.x[0]),cy=y.at(p.y[0])-7,long=p.n.length*7.4,left=cx+9+long>R?cx-9-long:cx+9;
      if(left<L||taken.some(([l,r,v])=>left<r&&left+long>l&&Math.abs(cy-v)<14))continue;
      taken.push([left,left+long,cy]);
      put("text",{class:"k",x:left,y:cy},p.n);
    }
    figure.append(svg);
  };
  across.addEventListener("change",draw);upwards.addEventListener("change",draw);
  draw();
}
})();
